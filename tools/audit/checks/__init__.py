"""The comparisons, a file for each part of the loop. Pure: facts in, differences out."""
