"""Values only: nothing here reads a clock, a file or the network, and nothing imports the rest of lastgood."""
