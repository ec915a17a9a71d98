"""Device-based MQTT discovery for Home Assistant (2024.11 and later)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from edge_all._version import __version__
from edge_all.domain.labels import KINDS
from edge_all.i18n.catalog import text
from edge_all.telemetry.mqtt.settings import MqttSettings

_SENSORS = (
    # key in .../now, name, unit, device class, state class
    ("phase", "Phase", None, None, None),
    ("fields", "Fields", None, None, "total_increasing"),
    ("leukocytes", "Leukocytes", None, None, "total_increasing"),
    ("findings", "Findings", None, None, "total_increasing"),
    ("blast_percent", "Blast share", "%", None, "measurement"),
    ("temperature_c", "Temperature", "°C", "temperature", "measurement"),
    ("disk_free_percent", "Disk free", "%", None, "measurement"),
    ("outbox", "Messages waiting", None, None, "measurement"),
)


def discovery_messages(settings: MqttSettings, prefix: str = "homeassistant") -> Iterator[tuple[str, str]]:
    """Yield the topic and payload of each discovery message, to be published retained."""
    identifier = f"edge_all_{settings.device_id}".replace(".", "_").replace("-", "_")
    components = {}
    for key, name, unit, device_class, state_class in _SENSORS:
        component = _sensor(settings, identifier, key, name, f"value_json.{key}")
        given = {"unit_of_measurement": unit, "device_class": device_class, "state_class": state_class}
        components[key] = component | {k: v for k, v in given.items() if v is not None}
    for kind in KINDS.by_model:
        key, value = f"kind_{kind.key}", f"value_json.kinds.{kind.key} | default(0)"
        component = _sensor(settings, identifier, key, text(f"kind.{kind.key}"), value)
        components[key] = component | {"state_class": "total_increasing"}
    payload = {
        "dev": {"ids": [identifier], "name": settings.device_id, "sw": __version__, "mdl": "edge-all"},
        "o": {"name": "edge-all", "sw": __version__},
        "availability_topic": f"{settings.root}/online",
        "cmps": components,
        "qos": 1,
    }
    yield f"{prefix}/device/{identifier}/config", json.dumps(payload, ensure_ascii=False)


def _sensor(settings: MqttSettings, identifier: str, key: str, name: str, value: str) -> dict[str, str]:
    return {
        "p": "sensor",
        "name": name,
        "unique_id": f"{identifier}_{key}",
        "state_topic": f"{settings.root}/now",
        "value_template": f"{{{{ {value} }}}}",
    }
