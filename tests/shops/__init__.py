"""Shops for the tests: their customers, purchases and rules."""
