"""What a rollback will need, checked before the incident."""
