"""What members that talk to services outside share: asking by HTTP, and texts that are safe where they go."""
