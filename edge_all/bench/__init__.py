"""Benchmarks of single steps, networks and the full pipeline."""
