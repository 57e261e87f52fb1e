"""Tests of imports in the store."""
