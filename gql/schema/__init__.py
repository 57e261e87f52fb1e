"""The GraphQL schema and what resolves it."""
