"""Review of recorded sessions: web pages, reports, control runs and data set export."""
