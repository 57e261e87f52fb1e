"""Tests of reports in the store."""
