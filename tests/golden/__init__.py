"""Outputs of the program for fixed inputs, kept as files. A refactoring must reproduce them."""
