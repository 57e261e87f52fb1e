"""The database: engines, transactions, and every difference between SQLite and PostgreSQL."""
