"""The training loop, its jobs and checkpoints."""
