"""Monthly partitions of the usage table, for who wants them: made, provided ahead, dropped, and undone. PostgreSQL alone."""
