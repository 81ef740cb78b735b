"""Pure rules of the collector: no I/O, no clock of their own."""
