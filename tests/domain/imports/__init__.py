"""Tests of domain/imports."""
