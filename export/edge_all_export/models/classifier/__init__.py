"""Networks of the classifier, and their registry."""
