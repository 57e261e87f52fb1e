"""Tests of what holds in a store, and of copies of it."""
