"""Networks of the classifier, one file for each, and their family."""
