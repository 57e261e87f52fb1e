"""Businesses, which are the tenants, and their settings."""
