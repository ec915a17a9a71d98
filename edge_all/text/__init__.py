"""Text for display."""
