"""The scorer: maintains the live, exact Net Promoter Score of every segment."""
