"""The ledger in PostgreSQL: what is true. Redis only hurries it."""
