"""All SQL of the scorer. Statements are set-based, and all of them lock their rows in the same order."""
