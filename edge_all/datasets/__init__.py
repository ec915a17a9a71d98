"""Export of reviewed cells as a dataset."""
