"""Tests of domain/businesses."""
