"""What is wrong, decided from what was seen. Pure: no I/O, no clock."""
