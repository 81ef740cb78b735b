"""The comparisons, one module per part of the loop. Pure: facts in, differences out."""
