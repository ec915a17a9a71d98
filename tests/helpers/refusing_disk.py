"""A record whose pictures cannot be written, from when a test says so."""

from __future__ import annotations

import pytest

from edge_all.record import store as module


def refuse_pictures(monkeypatch: pytest.MonkeyPatch, error: OSError) -> list[bool]:
    """Pictures raise this error as long as what is given holds something; rows are written."""
    written, refuses = module.write_files, list[bool]()

    def write(files, unsynced=()):  # type: ignore[no-untyped-def]
        if refuses and files:
            raise error
        written(files, unsynced)

    monkeypatch.setattr(module, "write_files", write)
    return refuses
