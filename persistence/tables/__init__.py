"""The tables, a module a noun."""
