"""Commands of the workstation half."""
