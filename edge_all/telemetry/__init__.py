"""Device state, Prometheus metrics and MQTT."""
