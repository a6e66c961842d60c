"""The deploy repo, by the git binary and plumbing: read and added to in a bare copy that is lastgood's own."""
