"""The scorer: keeps the live Net Promoter Score of every segment, exact to the answer."""
