"""The demo: a simulated shop and its customers around the real loop, shown live."""
