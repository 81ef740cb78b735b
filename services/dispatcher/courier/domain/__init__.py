"""What a delivery may become, whom it goes to and what it says: rules without I/O and without a clock."""
