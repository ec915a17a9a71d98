"""What is measured once of a bench, and kept for its camera: light, scale, focus."""
