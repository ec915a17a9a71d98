"""Evaluation of models on labeled cells."""
