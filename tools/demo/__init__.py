"""A simulated shop and its customers around the real loop, to be watched."""
