"""Quality control: control slides, their runs and Levey-Jennings charts. No HTTP."""
