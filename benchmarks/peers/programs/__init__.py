"""The peers' programs, each run by the Python of an environment of its own; they import nothing of Hearback's."""
