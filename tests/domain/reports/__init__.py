"""Tests of domain/reports."""
