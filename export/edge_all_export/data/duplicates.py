"""Exact duplicates, found by pixel hash, and the groups that they join."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np


@dataclass(frozen=True)
class Duplicates:
    """Result of a duplicate search.

    copies: sets of files with the same pixels. corrupt: (file, reason). names: old group -> joint name.
    """

    images: int
    copies: tuple[tuple[Path, ...], ...]
    corrupt: tuple[tuple[Path, str], ...]
    names: dict[str, str]

    @property
    def joined(self) -> list[str]:
        """Joint group names, sorted, each once."""
        return sorted(set(self.names.values()))


def find_duplicates(
    images: Sequence[tuple[Path, str]], advance: Callable[[], None] = lambda: None, workers: int = 2
) -> Duplicates:
    """Find duplicates among images, given as (file, group).

    Decodes each file once. A file that cannot be decoded is listed in ``corrupt``; no error is raised.
    """

    def one(item: tuple[Path, str]) -> tuple[str, str]:
        digest, wrong = _pixel_hash(item[0])
        advance()
        return digest, wrong

    with ThreadPoolExecutor(workers) as pool:
        hashes = list(pool.map(one, images))
    by_hash: dict[str, list[tuple[Path, str]]] = {}
    corrupt = []
    for (path, group), (digest, wrong) in zip(images, hashes, strict=True):
        if wrong:
            corrupt.append((path, wrong))
        else:
            by_hash.setdefault(digest, []).append((path, group))
    copies = [tuple(p for p, _ in same) for same in by_hash.values() if len(same) > 1]
    names = join_groups([sorted({g for _, g in same}) for same in by_hash.values()])
    return Duplicates(len(images), tuple(copies), tuple(corrupt), names)


def join_groups(tied: Iterable[Sequence[str]]) -> dict[str, str]:
    """Map each group that is linked to another, directly or indirectly, to their joint name ``a+b``.

    Groups without a link are left out.
    """
    parent: dict[str, str] = {}

    def top(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for names in tied:
        for other in names[1:]:
            parent[top(other)] = top(names[0])
    members: dict[str, list[str]] = {}
    for name in list(parent):
        members.setdefault(top(name), []).append(name)
    return {n: "+".join(sorted(m)) for m in members.values() if len(m) > 1 for n in m}


def _pixel_hash(path: Path) -> tuple[str, str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        return "", str(error.strerror)
    if not data:
        return "", "the file is empty"
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        image = None
    if image is None:
        return "", "not a decodable image"
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest(), ""
