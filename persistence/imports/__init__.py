"""A source imported into the store, followed, and taken back."""
