"""Find leukocytes in blood-smear fields and flag suspected lymphoblasts. Research use only, not a diagnosis.

To embed it in another program::

    from pathlib import Path
    import edge_all

    with edge_all.open_camera("sim:?fields=4") as camera:
        with edge_all.Session(camera, Path("record")) as session:
            summary = session.run()
    print(summary.result)
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from edge_all._version import __version__

__all__ = ["Profile", "Session", "SessionOptions", "Summary", "__version__", "load_profile", "open_camera"]

if TYPE_CHECKING:
    from edge_all.cameras.opening import open_camera
    from edge_all.profile import Profile, load_profile
    from edge_all.session.options import SessionOptions
    from edge_all.session.progress import Summary
    from edge_all.session.session import Session

# A program that embeds the package and does not configure logging is not shown its records.
logging.getLogger(__name__).addHandler(logging.NullHandler())

_WHERE = {
    "open_camera": "edge_all.cameras.opening",
    "Profile": "edge_all.profile",
    "load_profile": "edge_all.profile",
    "Session": "edge_all.session.session",
    "SessionOptions": "edge_all.session.options",
    "Summary": "edge_all.session.progress",
}


def __getattr__(name: str) -> Any:
    # Import on first access: 'edge-all sessions' needs neither a camera nor a network.
    if name not in _WHERE:
        raise AttributeError(f"module 'edge_all' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_WHERE[name]), name)
