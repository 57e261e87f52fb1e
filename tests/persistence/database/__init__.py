"""Tests of database in the store."""
