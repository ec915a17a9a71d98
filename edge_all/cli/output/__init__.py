"""Output of the commands: files, progress and summaries."""
