"""Published data sets, one reader each."""
