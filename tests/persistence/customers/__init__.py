"""Tests of customers in the store."""
