"""Single cells: crops, classification, tracking, morphology."""
