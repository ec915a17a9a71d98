"""The service's housekeeping: the profile's table becomes what the record takes, and errors are reported."""

import time

from edge_all.record.db.backup import backups
from edge_all.record.maintenance.retention import Retention
from edge_all.record.store import Record
from edge_all.service import housekeeping_thread as module
from edge_all.service.housekeeping_thread import HousekeepingThread, retention_of
from firmware_config.sections.retention import Retention as Settings


def test_the_table_as_the_record_takes_it():
    assert retention_of(Settings()) == Retention(30.0, 180.0, None, None, 512 << 20)
    given = Settings(normal_days=0, field_days=2, finding_days=3, budget_gib=0.5, free_mib=64)
    assert retention_of(given) == Retention(None, 2.0, 3.0, 1 << 29, 64 << 20)


def test_it_runs_in_the_background_and_reports_problems(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_TICK_S", 0.01)
    Record.open(tmp_path).close()
    with HousekeepingThread(tmp_path, Settings(budget_gib=1e-9)) as upkeep:
        until = time.monotonic() + 20
        while not (backups(tmp_path) and upkeep.problem) and time.monotonic() < until:
            time.sleep(0.02)
    assert len(backups(tmp_path)) == 1
    assert "exceeds its space" in upkeep.problem
    assert upkeep.state.last_backup is not None
