"""Command-line interface of edge-all, one module per command."""
