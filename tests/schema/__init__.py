"""Tests of the GraphQL schema."""
