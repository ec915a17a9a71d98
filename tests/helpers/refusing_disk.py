"""A record whose pictures cannot be written from the moment that a test chooses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from edge_all.record import store
from edge_all.record.write.files import write_files


def refuse_pictures(monkeypatch: pytest.MonkeyPatch, error: OSError) -> list[bool]:
    """Pictures raise this error as long as what is given holds something; rows are written."""
    refuses = list[bool]()

    def write(files: Sequence[tuple[Path, bytes]], unsynced: Collection[Path] = ()) -> None:
        if refuses and files:
            raise error
        write_files(files, unsynced)

    monkeypatch.setattr(store, "write_files", write)
    return refuses
