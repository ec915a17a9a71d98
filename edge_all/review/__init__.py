"""Review of recorded sessions: differential, agreement, order and similarity of cells. No HTTP."""
