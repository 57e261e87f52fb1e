"""Tests of jobs in the store."""
