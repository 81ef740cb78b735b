"""What is counted where, and for which days: pure rules and arithmetic."""
