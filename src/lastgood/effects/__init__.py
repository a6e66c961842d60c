"""What touches the world on lastgood's behalf: processes, HTTP, files and time. No policy lives here."""
