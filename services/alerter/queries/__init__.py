"""What is asked by more than one door. Reads only."""
