"""Long-running service around the sessions: control, watchdog, housekeeping, web server, doctor."""
