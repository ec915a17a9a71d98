"""Splits by group (subjects, series, whole sources), never by image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from edge_all.errors import UsageError
from edge_all_export.recipes.recipe import Recipe


def matches(entry: str, source: str, group: str) -> bool:
    """Return whether "source" or "source/group" names a group; each member of a joint group "a+b" names it."""
    wanted_source, _, wanted = entry.partition("/")
    if wanted_source != source:
        return False
    return not wanted or wanted == group or bool(set(wanted.split("+")) & set(group.split("+")))


def any_matches(entries: Sequence[str], source: str, group: str) -> bool:
    """Return whether one of the entries names the group."""
    return any(matches(e, source, group) for e in entries)


def group_names(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return "source/group" of each pair, without duplicates, sorted."""
    return sorted({f"{s}/{g}" for s, g in pairs})


def refuse_leaky(split: str, leaky: bool) -> None:
    """Raise UsageError for a split by image, unless it is explicitly requested as leaky."""
    if split == "image" and not leaky:
        raise UsageError(
            "a split by image puts cells of one patient on both sides and inflates every figure",
            'set split = "group", or use --leaky; the title of the report then states this',
        )


class Grouped(Protocol):
    """An item with a source and a group."""

    @property
    def source(self) -> str:
        """Name of the source."""

    @property
    def group(self) -> str:
        """Name of the group within the source."""


Item = TypeVar("Item", bound=Grouped)


def split_groups(
    items: Sequence[Item], recipe: Recipe, leave_out: Callable[[Item], bool] | None, leaky: bool
) -> tuple[list[Item], list[Item], list[Item]]:
    """Split items into left out (never seen), held out (early stopping and thresholds only), and trained on.

    The split follows the recipe's data.leave_out and data.hold_out, and ``leave_out``. With ``leaky``, a fifth of the
    rest is held out image by image.
    """
    is_left = [
        any_matches(recipe["data.leave_out"], i.source, i.group) or (leave_out is not None and leave_out(i))
        for i in items
    ]
    left = [i for i, out in zip(items, is_left, strict=True) if out]
    rest = [i for i, out in zip(items, is_left, strict=True) if not out]
    if leaky:
        rng = np.random.Generator(np.random.PCG64(recipe["seed"]))
        is_held = [bool(h) for h in rng.random(len(rest)) < 0.2]
    else:
        is_held = [any_matches(recipe["data.hold_out"], i.source, i.group) for i in rest]
    held = [i for i, h in zip(rest, is_held, strict=True) if h]
    return left, held, [i for i, h in zip(rest, is_held, strict=True) if not h]


Member = TypeVar("Member")


def spread(items: Sequence[Member], group: Callable[[Member], str], count: int) -> list[Member]:
    """Select ``count`` items, balanced over the groups and evenly spaced within each; the result is deterministic."""
    pools: dict[str, list[Member]] = defaultdict(list)
    for item in items:
        pools[group(item)].append(item)
    each = dict.fromkeys(sorted(pools), 0)
    while sum(each.values()) < min(count, len(items)):
        for name, pool in sorted(pools.items()):
            if each[name] < len(pool) and sum(each.values()) < count:
                each[name] += 1
    chosen: list[Member] = []
    for name, pool in sorted(pools.items()):
        places = np.linspace(0, len(pool) - 1, each[name]).round().astype(int) if each[name] else []
        chosen += [pool[i] for i in dict.fromkeys(places)]
    return chosen


def balanced_folds(groups: Mapping[str, tuple[str, int]], count: int) -> list[list[str]]:
    """Distribute groups over folds, balanced by class. groups: name -> (class, number of cells).

    The groups of each class are dealt out by size, back and forth, so that the numbers of cells are also balanced.
    Raises UsageError when a class has fewer than two groups.
    """
    folds: list[list[str]] = [[] for _ in range(count)]
    for label in sorted({c for c, _ in groups.values()}):
        own = sorted((g for g, (c, _) in groups.items() if c == label), key=lambda g: (-groups[g][1], g))
        if len(own) < 2:
            raise UsageError(f"{label} cells come from one group only ({own[0]})", "no honest split is possible")
        for i, name in enumerate(own):
            place = i % (2 * count)
            folds[place if place < count else 2 * count - 1 - place].append(name)
    return [f for f in folds if f]
