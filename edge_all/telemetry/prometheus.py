"""Prometheus metrics of the device, collected on request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge_all._version import __version__
from edge_all.errors import EdgeAllError
from edge_all.telemetry.device_state import DeviceState

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PHASES = ("idle", "starting", "running", "paused", "stopping")


def exposition(device: DeviceState) -> bytes:
    """Return all metrics in Prometheus's text format.

    Raises:
        EdgeAllError: when prometheus-client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ModuleNotFoundError as error:
        raise EdgeAllError(
            "metrics need the package prometheus-client, which is not installed", "pip install 'edge-all[service]'"
        ) from error
    registry = CollectorRegistry()
    registry.register(_Device(device))
    return generate_latest(registry)


class _Device:
    def __init__(self, device: DeviceState) -> None:
        self._device = device

    def describe(self) -> list[Metric]:
        """Return nothing; called at registration, before there are any values."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the present values of all metrics."""
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        device, state = self._device, self._device.station.state
        info = {"version": __version__, "engine": state.engine.partition(" (")[0].removeprefix("engine ")}
        yield InfoMetricFamily("edge_all", "Program version and engine of the last session.", info)
        phases = GaugeMetricFamily("edge_all_phase", "1 for the current phase of the station.", labels=["phase"])
        for phase in _PHASES:
            phases.add_metric([phase], float(phase == state.phase))
        yield phases
        yield _gauge(
            "edge_all_troubles", "Number of problems that keep the device from full operation.", len(device.troubles())
        )
        yield _gauge("edge_all_loop_idle_seconds", "Seconds since the last iteration of the loop.", device.stalled_s)
        yield from self._work()
        yield from self._camera()
        yield from self._machine()
        yield from self._messages()

    def _work(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        device, totals = self._device, self._device.totals
        yield _counter("edge_all_sessions", "Sessions since the program started.", device.sessions)
        yield _counter("edge_all_fields", "Fields analyzed since the program started.", totals.get("fields", 0))
        yield _counter(
            "edge_all_frames", "Frames delivered by the camera since the program started.", totals.get("frames", 0)
        )
        skipped = CounterMetricFamily(
            "edge_all_frames_skipped", "Frames not analyzed, by reason (dropped: analysis was busy).", labels=["reason"]
        )
        for name, number in sorted(totals.items()):
            if name.startswith("skipped "):
                skipped.add_metric([name.removeprefix("skipped ")], number)
        yield skipped
        counts = device.counts
        cells = GaugeMetricFamily("edge_all_session_cells", "Cells of the newest session.", labels=["label"])
        for name, count in counts.named().items():
            cells.add_metric([name], count)
        yield cells
        kinds = GaugeMetricFamily(
            "edge_all_session_kinds",
            "Cells of the newest session whose kind is named, by kind.",
            labels=["kind"],
        )
        for name, count in counts.by_kind.items():
            kinds.add_metric([name], count)
        yield kinds
        steps = HistogramMetricFamily("edge_all_step_seconds", "Duration of each pipeline step.", labels=["step"])
        for step, histogram in device.times.steps.items():
            steps.add_metric([step], histogram.cumulated(), histogram.sum_s)
        yield steps
        for part, help_text in (
            ("size", "Capacity of the queue in items."),
            ("deepest", "Highest number of items in the queue."),
            ("waits", "Times that the queue was full."),
        ):
            family = GaugeMetricFamily(
                f"edge_all_queue_{part}", f"{help_text} For the running session.", labels=["queue"]
            )
            for name, use in device.queues.items():
                family.add_metric([name], getattr(use, part))
            yield family

    def _camera(self) -> Iterator[Metric]:
        from edge_all.cameras.events import CameraState

        device, session = self._device, self._device.station.session
        works = session is not None and session.camera_state is CameraState.WORKS
        yield _gauge("edge_all_camera_works", "1 while a session's camera delivers frames.", float(works))
        yield _counter("edge_all_camera_reconnects", "Camera reconnections.", device.reconnects)
        if session is not None and (age := session.frame_ages.newest_s) is not None:
            yield _gauge("edge_all_frame_age_seconds", "Age of a live camera's frame when its analysis started.", age)

    def _machine(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        device = self._device
        if (hottest := device.temperature_c) is not None:
            yield _gauge("edge_all_temperature_celsius", "Temperature of the hottest sensor.", hottest)
        throttling = GaugeMetricFamily(
            "edge_all_throttling", "1 for each present cause of throttling.", labels=["cause"]
        )
        for cause in device.throttling:
            throttling.add_metric([cause], 1)
        yield throttling
        throttled = CounterMetricFamily("edge_all_throttled", "Throttling events since power-on.", labels=["cause"])
        for cause, number in device.throttle_counts.items():
            throttled.add_metric([cause], number)
        yield throttled
        if (disk := device.disk) is not None:
            yield _gauge("edge_all_disk_free_bytes", "Free space on the record's disk.", disk[0])
            yield _gauge("edge_all_disk_bytes", "Size of the record's disk.", disk[1])
        session = device.station.session
        waiting = session.disk.waiting_rows if session is not None else 0
        yield _gauge("edge_all_rows_waiting", "Rows in memory waiting for space on a full disk.", waiting)
        if (backup := device.last_backup) is not None:
            yield _gauge("edge_all_last_backup_timestamp_seconds", "Time of the newest backup.", backup)

    def _messages(self) -> Iterator[Metric]:
        publisher, outbox = self._device.publisher, self._device.outbox
        if publisher is None:
            return
        yield _gauge("edge_all_mqtt_connected", "1 while connected to the broker.", float(publisher.connected))
        yield _counter("edge_all_mqtt_connects", "Connections since the program started.", publisher.connects)
        yield _counter("edge_all_mqtt_failures", "Connections that failed or were lost.", publisher.failures)
        yield _counter("edge_all_mqtt_sent", "Messages confirmed since the program started.", publisher.sent)
        yield _gauge("edge_all_outbox_messages", "Messages waiting to be sent.", outbox.waiting)
        yield _counter("edge_all_outbox_dropped", "Messages dropped since the record was created.", outbox.dropped)
        if outbox.oldest is not None:
            yield _gauge(
                "edge_all_outbox_oldest_timestamp_seconds",
                "Creation time of the oldest message in the outbox.",
                outbox.oldest,
            )


def _gauge(name: str, help_text: str, value: float) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(name, help_text, value)


def _counter(name: str, help_text: str, value: float) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(name, help_text, value)
