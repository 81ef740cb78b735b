"""What can be done over HTTP, a module a resource."""
