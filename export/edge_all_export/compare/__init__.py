"""Comparison of architectures."""
