"""What is read, for HTTP and for actions. Nothing here writes."""
