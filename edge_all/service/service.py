"""Long-running service: web pages, control socket, watchdog and journal around one station."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge_all._version import __version__
from edge_all.calibration.store import CalibrationStore
from edge_all.cameras.base import Camera
from edge_all.cameras.events import CameraState
from edge_all.cameras.opening import open_camera
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.plural import counted
from edge_all.errors import EdgeAllError
from edge_all.files.state_dir import state_folder
from edge_all.profile import profile_of
from edge_all.record.recovery.startup import start_record
from edge_all.service.certificate_renewal import CertificateRenewal
from edge_all.service.control import ControlServer
from edge_all.service.housekeeping_thread import HousekeepingThread
from edge_all.service.idle_preview import IdlePreview, driver_stuck_s
from edge_all.service.interrupted_sessions import MOST_TRIES, InterruptedSessions
from edge_all.service.journal import Journal, JournalHandler, Level, since_boot_s, since_start_s
from edge_all.service.memory_watch import MemoryWatch
from edge_all.service.problems import ProblemKind, Problems
from edge_all.service.sd_notify import Notifier
from edge_all.service.watchdog import SLOW_STEP_S, Watchdog
from edge_all.service.web_server import address_of, serve, server_maker
from edge_all.session.commands import Start
from edge_all.session.options import SessionOptions
from edge_all.session.progress import Progress, Summary
from edge_all.session.session import Session
from edge_all.session.stages.analysis import load_models_in_use
from edge_all.session.station import Station, StationState
from edge_all.telemetry.mqtt.client import monitoring_token
from edge_all.web.live.live_view import LiveView
from edge_all.web.microscope import Microscope

if TYPE_CHECKING:
    from edge_all.web.server import Server
    from firmware_config.resolving import Resolved

_REPORTS_EVERY_S = 0.5
_STATUS_EVERY_S = 5.0
_TRIES_AGAIN_S = 5.0
_RUNS_WELL_S = 600.0
_CHECKS_RECORD_EVERY_S = 86400.0
"""Seconds between integrity checks. A session waits for one, up to two minutes on a Jetson with a year's record."""


class Service:
    """The service; created once and run once, in the program's main thread."""

    def __init__(
        self,
        read_settings: Callable[[], tuple[Resolved, str | None]],
        record: Path,
        models: Path | None,
        control_socket: Path,
        write: Callable[[str], None],
        notifier: Notifier | None = None,
    ) -> None:
        """Create the service.

        Args:
            read_settings: Returns the usable settings and a description of the invalid ones, or None.
            record: The record folder.
            models: Folder with detector/ and classifier/; None for the models in use.
            control_socket: Path of the control socket.
            write: Receives each line for the journal.
            notifier: Notifications to systemd.
        """
        self._read_settings = read_settings
        self._record, self._models, self._socket = record, models, control_socket
        self._notifier = notifier or Notifier()
        self._journal = Journal(write)
        self._heartbeat = Watchdog(self._notifier)
        self.problems = Problems()
        live = LiveView()
        self._interrupted_sessions = InterruptedSessions(record, state_folder() / "gone-on.json")
        self._settings, wrong = read_settings()
        self.problems.set(ProblemKind.SETTINGS, wrong)
        self._idle = IdlePreview(self._open_camera, live)
        self.station = Station(self._settings.settings.camera.uri, self._run_session, self._idle, self._turn)
        self.microscope = Microscope(record, self.station, live)
        self._served_as = (self._settings.settings.web, self._settings.settings.metrics)
        self._server: Server | None = None
        self._upkeep: HousekeepingThread | None = None
        self._camera: Camera | None = None
        self._counted = ""
        self._seen: tuple[StationState, dict[ProblemKind, str]] = (StationState(), {})
        self._report_at = self._status_at = self._pending_at = 0.0
        self._pending: Start | None = None
        self._planned = False
        self._checked_at: float | None = None
        self._running_since: float | None = None
        self._first_field = False
        self._reread = False
        self._began = self._now()
        self._memory = MemoryWatch(self._settings.settings.limits.memory_mib, self._began)
        self._certificate = CertificateRenewal(address_of(self._settings.settings.web), self._began)

    @property
    def url(self) -> str | None:
        """Address of the web pages; None when they are not served."""
        return self._server.url if self._server is not None else None

    def close(self) -> None:
        """End the session and the service; safe to call from a signal handler."""
        self.station.close()

    def reread(self) -> None:
        """Request a reload of the settings; safe to call from a signal handler."""
        self._reread = True

    def run(self) -> None:
        """Run the service until close()."""
        with JournalHandler(self._journal, self._heartbeat.step_goes_on):
            self._run()

    def _run(self) -> None:
        journal, settings = self._journal, self._settings.settings
        journal("start", version=__version__, profile=self._settings.name, boot_s=since_boot_s())
        # The integrity check of a large record runs before the pages are served.
        self._notifier.start_may_take(SLOW_STEP_S)
        self._start_record()
        with ExitStack() as stack:
            self.microscope.monitoring_token = self._monitoring_token()
            maker = server_maker(self._record, self._models, self.microscope)
            self._server = serve(stack, address_of(settings.web), self.problems, maker)
            try:
                stack.enter_context(ControlServer(self._socket, self.station))
            except EdgeAllError as error:
                self.problems.set(ProblemKind.CONTROL, str(error))
            stack.callback(self.microscope.mqtt.end)
            self._start_mqtt()
            self._upkeep = stack.enter_context(HousekeepingThread(self._record, settings.retention))
            self._report(self._now())
            self._notifier.ready(self._status())
            journal("ready", pages=self.url or "none", after_s=since_start_s(), boot_s=since_boot_s())
            self._check_models()
            self.station.run()
            self._report(self._now())
            self._notifier.stopping()
            # Each may take a second or two, so they end in parallel.
            for part in (self._server, self._upkeep, self.microscope.mqtt):
                if part is not None:
                    part.end_soon()
        journal("end")

    # -- sessions ------------------------------------------------------------------------------------------------

    def _open_camera(self) -> Camera:
        camera = open_camera(self._settings.settings.camera.uri)
        self.station.camera = camera.uri
        return camera

    def _run_session(self, start: Start, made: Callable[[Session], None]) -> Summary:
        if not start.resume:
            self._pending, self._planned = None, True
        self._counted = ""
        self._camera = camera = self._open_camera()
        if not start.resume:
            self._end_cut_off(camera.uri)
        try:
            with self._made_session(camera, start) as session:
                self._pending = None
                if start.resume and not session.is_resumed:
                    reason = "the interrupted session was closed because the loaded model gives different results"
                    raise EdgeAllError(reason, "start a new session")
                made(session)
                self._running_since = self._now()
                summary = session.run(self._took)
        finally:
            self._camera, self._running_since = None, None
        self._interrupted_sessions.forget()
        counts = summary.counts
        self._journal(
            "session-end",
            "error" if summary.error else "info",
            session=summary.session_id,
            fields=counts.fields,
            leukocytes=counts.leukocytes,
            findings=counts.findings,
            **({"pictures_left_out": summary.pictures_left_out} if summary.pictures_left_out else {}),
            **({"error": summary.error_in_words} if summary.error else {}),
        )
        return summary

    def _end_cut_off(self, camera: str) -> None:
        ended = self._interrupted_sessions.end(camera, "another session started", self.microscope.mqtt.listener())
        if ended is not None:
            self._interrupted_sessions.forget()
            self.problems.set(ProblemKind.CUT_OFF, None)
            self._journal("cut-off-ended", session=ended)

    def _made_session(self, camera: Camera, start: Start) -> Session:
        with self._slow_step():
            options = SessionOptions(
                profile=profile_of(self._settings.name, self._settings.settings),
                models=self._models,
                calibrations=CalibrationStore(),
                keep_all_crops=True,
                skip_integrity_check=self._was_checked(),
            )
            return Session(camera, self._record, options.for_start(start), self.microscope.hooks(self._turn))

    def _start_record(self) -> None:
        """Prepare the record and log repairs. A failure is reported when the record is opened next."""
        with suppress(EdgeAllError):
            start_record(self._record)
            self._checked_at = self._now()

    def _was_checked(self) -> bool:
        """Return whether the integrity check ran within the day; if not, the starting session runs it."""
        now = self._now()
        if self._checked_at is not None and now - self._checked_at < _CHECKS_RECORD_EVERY_S:
            return True
        self._checked_at = now
        return False

    @contextmanager
    def _slow_step(self) -> Iterator[None]:
        """Allow a slow step that loads engines."""
        self.microscope.device.may_take(SLOW_STEP_S)
        try:
            with self._heartbeat.slow_step():
                yield
        finally:
            self.microscope.device.on_heartbeat()

    def _took(self, progress: Progress) -> None:
        self.microscope.took(progress)
        counts = progress.counts
        self._counted = f"{counted(counts.leukocytes, 'leukocyte')} in {counted(counts.fields, 'field')}"
        if not self._first_field and counts.fields:
            self._first_field = True
            self._journal("first-field", session=progress.session_id, after_s=since_start_s(), boot_s=since_boot_s())

    def _plan_first_session(self) -> None:
        """Once the camera works, resume an interrupted session, or start one if the settings require it."""
        self._planned = True
        try:
            cut_off = self._interrupted_sessions.newest(self.station.camera)
        except EdgeAllError as error:
            self.problems.set(ProblemKind.RECORD, str(error))
            return
        if cut_off is None:
            self._pending = Start() if self._settings.settings.service.autostart else None
            return
        tries = self._interrupted_sessions.tries(cut_off)
        if tries >= MOST_TRIES:
            problem = f"session {cut_off} was resumed {tries} times and interrupted each time: start a new session"
            self.problems.set(ProblemKind.CUT_OFF, problem)
            return
        self._interrupted_sessions.note_try(cut_off)
        self._journal("goes-on", session=cut_off, tries=tries + 1)
        self._pending = Start(resume=True)

    def _check_models(self) -> None:
        try:
            profile = profile_of(self._settings.name, self._settings.settings)
            with self._slow_step():
                load_models_in_use(self._models, profile).close()
        except EdgeAllError as error:
            self.problems.set(ProblemKind.MODEL, str(error))
        else:
            self.problems.set(ProblemKind.MODEL, None)

    def _start_mqtt(self) -> None:
        """Apply the present MQTT settings."""
        try:
            self.microscope.start_mqtt(self._settings.settings.mqtt)
        except EdgeAllError as error:
            self.problems.set(ProblemKind.MQTT, str(error))
        else:
            self.problems.set(ProblemKind.MQTT, None)

    def _monitoring_token(self) -> str:
        try:
            return monitoring_token(self._settings.settings.metrics)
        except EdgeAllError as error:
            self.problems.set(ProblemKind.METRICS, str(error))
            return ""

    # -- on every loop iteration ---------------------------------------------------------------------------------

    def _turn(self) -> None:
        now = self._now()
        self.microscope.device.on_heartbeat()
        self._heartbeat.beat(driver_stuck_s(self._camera) or self._idle.stuck_s)
        if self._reread:
            self._reread = False
            self._reload()
        if now >= self._report_at:
            if self._memory.look(now):
                self._journal("memory", "error", text=f"{self._memory.problem}: restarting")
                self._notifier.restart()
            self._report_at = now + _REPORTS_EVERY_S
            self._report(now)
        if self._running_since is not None and now - self._running_since > _RUNS_WELL_S:
            self._interrupted_sessions.forget()
        if not self._planned and self._idle.works and self.station.state.phase == "idle":
            self._plan_first_session()
        if self._pending is not None and now >= self._pending_at:
            self._pending_at = now + _TRIES_AGAIN_S
            if self.station.state.phase == "idle" and self._idle.works and not self.problems.blocking:
                self.station.commands.put(self._pending)

    def _report(self, now: float) -> None:
        state = self.station.state
        session, camera = self.station.session, self._camera
        if session is None:
            self.problems.set(ProblemKind.CAMERA, self._idle.trouble)
        elif isinstance(camera, SupervisedCamera):
            lost = session.camera_state is CameraState.LOST
            self.problems.set(ProblemKind.CAMERA, f"camera lost: {camera.reason}" if lost else None)
        self.problems.set(
            ProblemKind.DISK, session.disk.in_words() if session is not None and session.disk.full else None
        )
        self.problems.set(ProblemKind.MEMORY, self._memory.problem)
        if self._server is not None and self._certificate.is_due(now):
            self.problems.set(ProblemKind.CERTIFICATE, self._certificate.look(self._server, now))
        self.problems.set(ProblemKind.RECORD_ROOM, self._upkeep.problem if self._upkeep is not None else None)
        problems = self.problems.all()
        if (
            ProblemKind.DISK in problems and ProblemKind.DISK in self._seen[1]
        ):  # the amount of waiting data changes constantly
            problems[ProblemKind.DISK] = self._seen[1][ProblemKind.DISK]
        self.station.problems = tuple(problems.values())
        self.station.blocked = self.problems.blocking
        before, reported = self._seen
        self._seen = (state, problems)
        for kind in reported.keys() - problems.keys():
            self._journal("mended", what=kind)
        for kind, text in problems.items():
            if reported.get(kind) != text:
                self._journal("problem", "error", what=kind, text=text)
        if (state.phase, state.session_id, state.error) != (before.phase, before.session_id, before.error):
            more = {"error": state.error} if state.error else {}
            engine = {"engine": state.engine} if state.engine and state.phase == "running" else {}
            level: Level = "error" if state.error else "info"
            self._journal("state", level, phase=state.phase, session=state.session_id or "none", **engine, **more)
            self._status_at = now
        if now >= self._status_at or reported != problems:
            self._status_at = now + _STATUS_EVERY_S
            self._notifier.status(self._status())

    def _status(self) -> str:
        state, problems = self.station.state, self.problems.all()
        text = state.phase
        if state.phase in ("running", "paused"):
            text += f", session {state.session_id}, {self._counted or 'no field yet'}"
        elif state.error:
            text += f", the last session: {state.error}"
        if problems:
            text = f"{'safe mode' if self.problems.blocking else 'PROBLEM'}: {'; '.join(problems.values())} | {text}"
        return f"{text} | {self.url or 'no pages'}".replace("\n", " ")

    def _reload(self) -> None:
        """Reload the settings. A running session keeps its settings until it ends."""
        self._notifier.reloading()
        before = self._settings.settings
        self._settings, wrong = self._read_settings()
        self.problems.set(ProblemKind.SETTINGS, wrong)
        now = self._settings.settings
        if now.mqtt != before.mqtt:
            self._start_mqtt()
        other = (now.web, now.metrics) != self._served_as
        problem = "[web] or [metrics] has changed: restart the service to apply the change" if other else None
        self.problems.set(ProblemKind.RESTART, problem)
        if now.retention != before.retention and self._upkeep is not None:
            self._upkeep.use(now.retention)
        idle = self.station.state.phase == "idle"
        if now.limits != before.limits:
            self._memory = MemoryWatch(now.limits.memory_mib, self._began)
        if now.camera != before.camera:
            self.station.camera = now.camera.uri
            if idle:
                self._idle.end()
                self._idle.begin()
        if idle:
            self._check_models()
        self._journal("settings", profile=self._settings.name, good=wrong is None)
        self._report(self._now())
        self._notifier.ready(self._status())

    @staticmethod
    def _now() -> float:
        return time.monotonic()
