"""Whether a store is sound, and copies of it that are."""
