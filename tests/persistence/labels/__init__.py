"""Tests of labels in the store."""
