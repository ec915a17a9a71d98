"""All settings, one class per table."""

from __future__ import annotations

from firmware_config.section import Section
from firmware_config.sections.camera import Camera
from firmware_config.sections.device import Device
from firmware_config.sections.engine import Engine
from firmware_config.sections.gate import Gate
from firmware_config.sections.limits import Limits
from firmware_config.sections.metrics import Metrics
from firmware_config.sections.mqtt import Mqtt
from firmware_config.sections.optics import Optics
from firmware_config.sections.retention import Retention
from firmware_config.sections.service import Service
from firmware_config.sections.web import Web


class Settings(Section):
    """Settings of a device. An empty file is a valid profile."""

    device: Device = Device()
    camera: Camera = Camera()
    optics: Optics = Optics()
    engine: Engine = Engine()
    limits: Limits = Limits()
    gate: Gate = Gate()
    web: Web = Web()
    service: Service = Service()
    mqtt: Mqtt = Mqtt()
    metrics: Metrics = Metrics()
    retention: Retention = Retention()
