"""[device]: what the program runs on."""

from typing import Literal

from firmware_config.section import Section

Kind = Literal[
    "jetson-orin-nano", "jetson-orin-nx", "jetson-agx-orin", "jetson-thor", "raspberry-pi-5", "x86-mini-pc",
    "gpu-workstation", "other",
]  # fmt: skip


class Device(Section):
    kind: Kind = "other"
    """Which board or machine; `edge-all doctor` checks what belongs to it."""
    power_mode: str = ""
    """Jetson only: the mode that nvpmodel should be in, as "25W"; `edge-all doctor` compares. Empty: any."""
