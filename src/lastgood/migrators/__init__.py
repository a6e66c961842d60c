"""Migration tools: their files, and their tables in the database. One file per kind."""
