"""What happens by itself, a loop a module."""
