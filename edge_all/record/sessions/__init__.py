"""Session state that survives a restart: lock, tracker, stage, clock."""
