"""Building what is shipped, and its out-of-fold predictions."""
