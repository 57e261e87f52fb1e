"""Tests of domain/segments."""
