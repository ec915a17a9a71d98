"""The machine underneath: board, clocks, memory."""
