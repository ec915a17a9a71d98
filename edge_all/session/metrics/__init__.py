"""Timing of the steps and the age of frames."""
