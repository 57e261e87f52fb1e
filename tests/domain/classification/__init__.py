"""Tests of domain/classification."""
