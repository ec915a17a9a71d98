"""The folder of real images, where this machine has it."""

import os
from pathlib import Path

DATA = Path(os.environ.get("EDGE_ALL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
