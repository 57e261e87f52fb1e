"""Rules: read, bounded, put into words, explained, and evaluated against one customer."""
