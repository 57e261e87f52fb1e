"""The `segments` command, as its users meet it."""
