"""Handlers of the web pages, one module per page."""
