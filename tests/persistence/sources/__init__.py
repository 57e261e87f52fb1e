"""Tests of sources in the store."""
