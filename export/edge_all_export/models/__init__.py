"""Networks, their checkpoints and contracts."""
