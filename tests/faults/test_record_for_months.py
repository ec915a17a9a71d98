"""The record against kill -9, bad disks and a month of sessions."""

import os
import random

import pytest

from tests.helpers.damaged_records import damage_and_start, make_base
from tests.helpers.killed_sessions import kill_often
from tests.helpers.months import run_month

pytestmark = pytest.mark.timeout(7200)
SHARE = float(os.environ.get("EDGE_ALL_SYSTEM_SHARE", "1"))
"""Share of the kills and damages to run; less for a first look."""


def test_killed_at_random_moments_nothing_shown_is_missing(tmp_path):
    seen = kill_often(tmp_path / "r", max(1, round(500 * SHARE)), seed=5)
    assert seen.faults == []
    assert seen.shown > seen.kills


def test_a_damaged_record_opens_or_is_rebuilt_and_no_wrong_count_goes_unreported(tmp_path):
    make_base(tmp_path / "base")
    chance = random.Random(1)
    outcomes = [damage_and_start(tmp_path / "base", tmp_path / "r", chance) for _ in range(max(1, round(1000 * SHARE)))]
    assert [o for o in outcomes if o.wrong] == []
    assert sum(o.rebuilt for o in outcomes) > len(outcomes) // 20


def test_a_month_of_sessions(tmp_path):
    budget = 40 << 20
    seen = run_month(tmp_path / "r", frames=round(14_400 * max(SHARE, 0.25)), budget_bytes=budget)
    assert seen.sessions == 360
    assert seen.most_bytes < budget * 1.1
    assert seen.freed_files > 0
    assert seen.backups_made >= 24
    assert 2 <= seen.backups_kept <= 4
    assert seen.worst_time_error_s < 1.0
    assert (seen.reviewed_lost, seen.wrong_counts, seen.waiting_messages) == (0, 0, 0)
    assert seen.memory_mib[-1] < seen.memory_mib[4] + 12
