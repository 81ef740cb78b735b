"""The states of a delivery, and what follows from an attempt: pure rules, without I/O or a clock."""
