"""Events of a session other than cells: camera events, incidents, verdicts, and the outbox of messages."""
