"""The history of the tables; the same steps on both databases."""
