"""Tests of exports in the store."""
