"""The courier: the dispatcher's second process, which delivers the surveys it decided to send."""
