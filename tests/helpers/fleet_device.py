"""Devices that can be killed: python -m tests.helpers.fleet_device PORT CONFIRM RECORD..., each named as its folder.

More than a hundred in one process would need more open files than select() takes.
"""

import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from edge_all.telemetry.mqtt.publisher import Publisher
from edge_all.telemetry.mqtt.settings import MqttSettings


def main(port: str, confirm: str, *records: str) -> None:
    """Until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    publishers = []
    for record in map(Path, records):
        values: dict[str, Any] = {"device": record.name, "confirm": confirm}
        settings = MqttSettings(host="127.0.0.1", port=int(port), tls=False, **values)
        publishers.append(Publisher(settings, record, lambda: {"phase": "idle"}))
    for publisher in publishers:
        publisher.start()
    ended.wait()
    closing = [threading.Thread(target=p.close) for p in publishers]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
