"""Table [device]: the machine that the program runs on."""

from typing import Literal

from firmware_config.section import Section

Kind = Literal[
    "jetson-orin-nano", "jetson-orin-nx", "jetson-agx-orin", "jetson-thor", "raspberry-pi-5", "x86-mini-pc",
    "gpu-workstation", "other",
]  # fmt: skip


class Device(Section):
    """The machine that the program runs on."""

    kind: Kind = "other"
    """Board or machine. `edge-all doctor` runs the checks that apply to it."""
    power_mode: str = ""
    """Expected nvpmodel power mode, such as "25W" (Jetson only). `edge-all doctor` checks it. Empty: any mode."""
