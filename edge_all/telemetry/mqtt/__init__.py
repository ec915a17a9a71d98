"""MQTT: client, messages, commands, Home Assistant discovery."""
