"""Tests of rules in the store."""
