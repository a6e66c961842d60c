"""What is done with databases: status, backup, rehearsal, going down, restoring, proving migrations."""
