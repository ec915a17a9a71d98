"""Model files on this device: shipped, installed, signed, described."""
