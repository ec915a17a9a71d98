"""Log records of the program as events of the service's journal."""

import logging

import pytest

from edge_all.service.journal import Journal, JournalHandler


@pytest.fixture
def lines(monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    return []


@pytest.mark.parametrize(
    ("logger", "line"),
    [
        ("edge_all.telemetry.mqtt.publisher", '<6>event=mqtt text="one line"'),
        ("edge_all.record.recovery.startup", '<3>event=record text="one line"'),
        ("edge_all.record.maintenance.housekeeping", '<6>event=upkeep text="one line"'),
        ("edge_all.service.housekeeping_thread", '<6>event=upkeep text="one line"'),
        ("edge_all.service.watchdog", '<3>event=driver-stuck text="one line"'),
        ("edge_all.inference.hot_swap", '<6>event=engine text="one line"'),
        ("edge_all.calibration.store", '<6>event=engine text="one line"'),
    ],
)
def test_a_record_is_the_event_of_its_module(lines, logger, line):
    with JournalHandler(Journal(lines.append)):
        logging.getLogger(logger).info("one %s", "line")
    assert lines == [line]


def test_an_error_has_the_level_error_whatever_its_module(lines):
    with JournalHandler(Journal(lines.append)):
        logging.getLogger("edge_all.inference.loader").error("broken")
    assert lines == ["<3>event=engine text=broken"]


def test_each_engine_line_keeps_a_slow_step_alive(lines):
    beats = []
    with JournalHandler(Journal(lines.append), lambda: beats.append(len(lines))):
        logging.getLogger("edge_all.inference.tensorrt.build").info("half way")
        logging.getLogger("edge_all.telemetry.mqtt.client").info("connected")
    assert beats == [1]


def test_a_traceback_is_written_whole(lines):
    with JournalHandler(Journal(lines.append)):
        try:
            raise ValueError("wrong")
        except ValueError as error:
            logging.getLogger("edge_all.web.security.middleware").error("Internal error at '/x'", exc_info=error)
    assert lines[0].startswith("Internal error at '/x'\nTraceback")
    assert lines[0].endswith("ValueError: wrong")


def test_debug_records_name_their_logger_and_need_the_level(lines):
    logger = logging.getLogger("edge_all.inference.loader")
    with JournalHandler(Journal(lines.append)):
        logger.debug("hidden")
    logging.getLogger("edge_all").setLevel(logging.DEBUG)
    try:
        with JournalHandler(Journal(lines.append)):
            logger.debug("shown")
    finally:
        logging.getLogger("edge_all").setLevel(logging.NOTSET)
    assert lines == ["<6>event=engine text=shown logger=edge_all.inference.loader"]
