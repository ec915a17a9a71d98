"""The web interface; the only package that knows HTTP."""
