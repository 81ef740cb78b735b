"""Past orders and answers through the running loop, and what must come of them computed beside it."""
