"""What a delivery may become and what follows from an attempt: rules without I/O and without a clock."""
