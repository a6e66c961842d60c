"""What keeps answers in front of a service, and how each is made to forget them."""
