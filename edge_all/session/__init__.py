"""A session on one smear: options, builder, stages, commands, progress."""
