"""Customers and what they bought."""
