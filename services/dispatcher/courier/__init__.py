"""The courier: the dispatcher's second process, which carries the surveys it decided to send to the customers."""
