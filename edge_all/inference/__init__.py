"""Inference engines, model files and installed model sets."""
