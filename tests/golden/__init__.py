"""What the program gives for fixed inputs, kept as files: a change that should change nothing is held to them."""
