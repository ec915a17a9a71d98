"""Classifiers: networks, samples and training jobs."""
