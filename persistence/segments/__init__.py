"""Segments, their members and their history in the database."""
