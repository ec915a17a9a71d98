"""What a device that stands for months needs beside its session: MQTT, metrics, health."""
