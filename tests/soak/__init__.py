"""A shop that is open for a while: two workers serve everything at once while one of them is killed each minute."""
