"""Segmentation of a cell and the measurements made on it."""
