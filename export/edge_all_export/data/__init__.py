"""Datasets: layouts, surveys and loading."""
