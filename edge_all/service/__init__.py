"""Long-running service around the sessions: MQTT, metrics and health monitoring."""
