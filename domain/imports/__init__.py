"""Imports: rows of a source checked, typed and put together to orders."""
