"""What more than one door asks. Reads only."""
