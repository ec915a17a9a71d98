"""Rows of PART=service: the record under kill -9, full disks, a month of use, power cuts and damage."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
from pathlib import Path

from benchmarks.board import Row
from tests.helpers.damaged_records import damage_and_start, make_base
from tests.helpers.filled_disk import fill_and_free
from tests.helpers.killed_sessions import kill_often
from tests.helpers.months import run_month
from tests.helpers.rigs.power_cut import cut_often
from tests.helpers.written_bytes import bytes_an_hour

NOTES = [
    "The kill -9, damage and month rows write with the program's own record, without camera and networks. Cells, clock "
    "and timing are simulated; SQLite and the files are real.",
    "Power cut: ext4 behind a disk with a write cache; each unflushed write is kept or lost at random.",
]
_BUDGET_MIB = 300
"""Rows are never deleted; those of 200,000 frames and their two backups alone take 240 MiB."""


def rows() -> list[Row]:
    """All rows; takes some hours on two busy cores, most of it for the virtual machine."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        return [
            killed(folder / "killed"),
            filled(folder / "disk"),
            month(folder / "month"),
            power_cut(),
            damaged(folder / "damaged"),
            written(folder / "written"),
        ]


def killed(folder: Path, times: int = 500) -> Row:
    """Kill a writing session at random moments."""
    seen = kill_often(folder, times, seed=5)
    result = f"{len(seen.faults)} faults in {seen.kills} kills; {seen.shown} findings shown, all there"
    result = result if not seen.faults else f"{result[:30]}: {seen.faults[0]}"
    return Row(
        "kill -9 at random moments of a session writing 100 cells/s",
        f"{times} kills: opens clean, nothing shown is missing, no crop without a row",
        result,
        f"{seen.adopted} crops without a row restored it",
        not seen.faults and seen.kills == times and seen.shown > 0,
    )


def filled(disk: Path) -> Row:
    """Fill the disk, a tmpfs."""
    what = "64 MB tmpfs filled by another process during a session, then freed"
    target = "nothing lost, no crash"
    disk.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=False).returncode:
        return Row(what, target, "not run: mounting needs root", "", False)
    try:
        frames, findings = fill_and_free(disk)
    except AssertionError as error:
        return Row(what, target, f"lost: {str(error).splitlines()[0][:200]}", "", False)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    return Row(what, target, f"{frames} frames on a full disk, all {findings} findings recorded and reported", "", True)


def month(folder: Path, frames: int = 200_000) -> Row:
    """Thirty days."""
    seen = run_month(folder, frames, budget_bytes=_BUDGET_MIB << 20)
    settled = seen.memory_mib[len(seen.memory_mib) // 3 :]
    growth = max(settled) - settled[0]
    reached = (
        seen.most_bytes <= (_BUDGET_MIB << 20) * 1.1
        and growth < 10
        and seen.backups_made >= 24
        and seen.freed_files > 0
        and seen.worst_time_error_s < 1
        and not (seen.reviewed_lost or seen.wrong_counts or seen.waiting_messages)
    )
    return Row(
        f"{seen.frames} frames of {seen.sessions} sessions under a clock that spans 30 days",
        f"memory flat, files within {_BUDGET_MIB} MiB, backups and retention seen, no drift",
        f"memory +{growth:.1f} MiB after day 10; at most {seen.most_bytes / (1 << 20):.0f} MiB; {seen.backups_made} "
        f"backups; {seen.freed_files} files deleted, {seen.reviewed_lost} reviewed; times within "
        f"{seen.worst_time_error_s:.2f} s",
        f"{seen.wrong_counts} wrong counts; {seen.messages} messages sent",
        reached,
    )


def power_cut(times: int = 30) -> Row:
    """Cut the power of a qemu guest during sessions."""
    what = f"power cut: a qemu guest killed {times} times during a session"
    target = "boots, record clean, every finding that was shown is there"
    if os.geteuid() != 0:
        return Row(what, target, "not run: needs root", "", False)
    seen = cut_often(times, seed=3)
    result = f"{len(seen.faults)} faults; {seen.shown} findings shown, all there"
    return Row(
        what,
        target,
        result if not seen.faults else f"{len(seen.faults)} faults: {seen.faults[0]}",
        f"{seen.lost_sectors} sectors lost in the disk's cache; {seen.mended} starts made repairs",
        not seen.faults and seen.cuts == times and seen.shown > 0,
    )


def damaged(folder: Path, times: int = 1000) -> Row:
    """Bits and truncations."""
    make_base(folder / "base")
    chance = random.Random(1)
    outcomes = [damage_and_start(folder / "base", folder / "r", chance) for _ in range(times)]
    wrong = [o for o in outcomes if o.wrong]
    return Row(
        f"{times} random bit flips or truncations of the database and its log",
        "opens, or is set aside and rebuilt; no crash, no unreported wrong count",
        f"{len(wrong)} faults" + (f": {wrong[0].damage}: {wrong[0].wrong}" if wrong else ""),
        f"{sum(o.rebuilt for o in outcomes)} rebuilt, {sum(o.doubted for o in outcomes)} with a reported doubt",
        not wrong,
    )


def written(folder: Path) -> Row:
    """Wear."""
    empty, busy = bytes_an_hour(folder / "empty", cells_a_second=0), bytes_an_hour(folder / "busy", cells_a_second=5)
    return Row(
        "bytes written per hour: 10 frames/s without cells; with 5 cells/s, one in 20 a finding",
        "reported",
        f"{empty / 1e6:.0f} MB; {busy / 1e6:.0f} MB",
        "counted by the kernel (/proc/self/io) over a minute",
        None,
    )
