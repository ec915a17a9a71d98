"""Measuring a bench's light, scale and focus from frames."""
