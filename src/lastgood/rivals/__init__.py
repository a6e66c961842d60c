"""What would undo a rollback by itself, one kind per file."""
