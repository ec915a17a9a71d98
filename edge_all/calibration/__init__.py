"""Calibration of a bench, measured once and stored for its camera: light, scale and focus."""
