"""Tests of the columnar copy."""
