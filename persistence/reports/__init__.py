"""Windows of purchases aggregated in the database, and the cache of reports."""
