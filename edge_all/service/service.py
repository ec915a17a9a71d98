"""The program as a service: pages, socket, watchdog, journal, around one station that is never given up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge_all import __version__
from edge_all.calibration.store import CalibrationStore
from edge_all.cameras.camera import Camera
from edge_all.cameras.camera_state import CameraState
from edge_all.cameras.opening import open_camera
from edge_all.cameras.watched import WatchedCamera
from edge_all.errors import EdgeAllError
from edge_all.profile import profile_of
from edge_all.record.start import start_record
from edge_all.review.live_view import LiveView
from edge_all.service.control import ControlServer
from edge_all.service.cut_off import MOST_TRIES, CutOffSessions
from edge_all.service.device_state import DeviceState
from edge_all.service.heartbeat import SLOW_STEP_S, Heartbeat
from edge_all.service.idle_picture import IdlePicture, driver_stuck_s
from edge_all.service.journal import Journal, Level, since_boot_s, since_start_s
from edge_all.service.kept_certificate import KeptCertificate
from edge_all.service.memory_watch import MemoryWatch
from edge_all.service.pages import address_of, serve, server_maker
from edge_all.service.problems import Kind, Problems
from edge_all.service.systemd import Notifier
from edge_all.service.telling import Telling, monitoring_token
from edge_all.service.upkeep import Upkeep
from edge_all.session.analysis import load_models_in_use
from edge_all.session.commands import Start
from edge_all.session.progress import Progress, Summary
from edge_all.session.session import Session
from edge_all.session.station import Station, StationState
from edge_all.state_folder import state_folder

if TYPE_CHECKING:
    from edge_all.review.serving import Server
    from firmware_config.resolving import Resolved

_REPORTS_EVERY_S = 0.5
_STATUS_EVERY_S = 5.0
_TRIES_AGAIN_S = 5.0
_RUNS_WELL_S = 600.0
_LOOKS_OVER_EVERY_S = 86400.0
"""Every session would wait for it: a minute or two on a Jetson with a record of a year."""


class Service:
    """Made once, run once, in the program's main thread."""

    def __init__(
        self,
        read_settings: Callable[[], tuple[Resolved, str | None]],
        record: Path,
        models: Path | None,
        control_socket: Path,
        write: Callable[[str], None],
        notifier: Notifier | None = None,
    ) -> None:
        """read_settings: what can be used of them, and what is wrong with them. write: a line for the journal."""
        self._read_settings = read_settings
        self._record, self._models, self._socket = record, models, control_socket
        self._notifier = notifier or Notifier()
        self._journal = Journal(write)
        self._heartbeat = Heartbeat(self._notifier, lambda text: self._journal("driver-stuck", "error", text=text))
        self.problems = Problems()
        self._live = LiveView()
        self._cut_off = CutOffSessions(record, state_folder() / "gone-on.json")
        self._settings, wrong = read_settings()
        self.problems.set(Kind.SETTINGS, wrong)
        self._idle = IdlePicture(self._open_camera, self._live)
        self.station = Station(self._settings.settings.camera.uri, self._run_session, self._idle, self._turn)
        self.device = DeviceState(record, self.station)
        self._telling = Telling(
            record, self.station.commands, self.device.now, lambda line: self._journal("mqtt", text=line)
        )
        self._served_as = (self._settings.settings.web, self._settings.settings.metrics)
        self._server: Server | None = None
        self._upkeep: Upkeep | None = None
        self._camera: Camera | None = None
        self._counted = ""
        self._seen: tuple[StationState, dict[Kind, str]] = (StationState(), {})
        self._report_at = self._status_at = self._pending_at = 0.0
        self._pending: Start | None = None
        self._planned = False
        self._looked_over_at: float | None = None
        self._running_since: float | None = None
        self._first_field = False
        self._reread = False
        self._began = self._now()
        self._memory = MemoryWatch(self._settings.settings.limits.memory_mib, self._began)
        self._certificate = KeptCertificate(address_of(self._settings.settings.web), self._began)

    @property
    def url(self) -> str | None:
        """Of its pages; None when there are none."""
        return self._server.url if self._server is not None else None

    def close(self) -> None:
        """End session and service; from a signal handler."""
        self.station.close()

    def reread(self) -> None:
        """Read the settings again soon; from a signal handler."""
        self._reread = True

    def run(self) -> None:
        """Until close()."""
        journal, settings = self._journal, self._settings.settings
        journal("start", version=__version__, profile=self._settings.name, boot_s=since_boot_s())
        # A large record is looked over before its pages are there.
        self._notifier.start_may_take(SLOW_STEP_S)
        self._start_record()
        with ExitStack() as stack:
            token = self._monitoring_token()
            maker = server_maker(self._record, self._models, self.station, self._live, self.device, token)
            self._server = serve(stack, address_of(settings.web), self.problems, maker)
            try:
                stack.enter_context(ControlServer(self._socket, self.station))
            except EdgeAllError as error:
                self.problems.set(Kind.CONTROL, str(error))
            stack.callback(self._telling.end)
            self._tell_others()
            self._upkeep = stack.enter_context(
                Upkeep(self._record, settings.retention, lambda text: journal("upkeep", text=text))
            )
            self._report(self._now())
            self._notifier.ready(self._status())
            journal("ready", pages=self.url or "none", after_s=since_start_s(), boot_s=since_boot_s())
            self._check_models()
            self.station.run()
            self._report(self._now())
            self._notifier.stopping()
            # Each may take a second or two: all at once, not one after another.
            for part in (self._server, self._upkeep, self._telling):
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
                if start.resume and not session.goes_on:
                    told = "the session that was cut off is ended: what is loaded now judges otherwise"
                    raise EdgeAllError(told, "begin another one")
                made(session)
                self._running_since = self._now()
                summary = session.run(self._took)
        finally:
            self._camera, self._running_since = None, None
        self._cut_off.forget()
        counts = summary.counts
        self._journal(
            "session-end",
            "error" if summary.error else "info",
            session=summary.session_id,
            fields=counts.fields,
            leukocytes=counts.leukocytes,
            findings=counts.blasts + counts.unidentified,
            **({"pictures_left_out": summary.pictures_left_out} if summary.pictures_left_out else {}),
            **({"error": summary.error_in_words} if summary.error else {}),
        )
        return summary

    def _end_cut_off(self, camera: str) -> None:
        ended = self._cut_off.end(camera, "another session began", self._telling.announcer())
        if ended is not None:
            self._cut_off.forget()
            self.problems.set(Kind.CUT_OFF, None)
            self._journal("cut-off-ended", session=ended)

    def _made_session(self, camera: Camera, start: Start) -> Session:
        with self._slow_step():
            return Session(
                camera,
                self._record,
                profile_of(self._settings.name, self._settings.settings),
                models=self._models,
                sample=start.sample,
                say=self._say_engine,
                commands=self.station.commands,
                keep_all_crops=True,
                resume=start.resume,
                turned=self._turn,
                times=self.device.times,
                announcer=self._telling.announcer(),
                calibrations=CalibrationStore(),
                operator=start.operator,
                looked_over=self._was_looked_over(),
            )

    def _start_record(self) -> None:
        """What had to be mended is told; what cannot be, by whoever opens the record next."""
        with suppress(EdgeAllError):
            start_record(self._record, lambda text: self._journal("record", "error", text=text))
            self._looked_over_at = self._now()

    def _was_looked_over(self) -> bool:
        """Within the day; else the session that begins now does it."""
        now = self._now()
        if self._looked_over_at is not None and now - self._looked_over_at < _LOOKS_OVER_EVERY_S:
            return True
        self._looked_over_at = now
        return False

    @contextmanager
    def _slow_step(self) -> Iterator[None]:
        """Around what loads engines."""
        self.device.may_take(SLOW_STEP_S)
        try:
            with self._heartbeat.slow_step():
                yield
        finally:
            self.device.turned()

    def _say_engine(self, line: str) -> None:
        self._journal("engine", text=line)
        self._heartbeat.step_goes_on()

    def _took(self, progress: Progress) -> None:
        self._live.take(progress)
        self.device.took(progress)
        counts = progress.counts
        self._counted = f"{counts.leukocytes} leukocytes in {counts.fields} fields"
        if not self._first_field and counts.fields:
            self._first_field = True
            self._journal("first-field", session=progress.session_id, after_s=since_start_s(), boot_s=since_boot_s())

    def _plan_first_session(self) -> None:
        """Once the camera is there: go on with what a restart cut off, else begin where the settings say so."""
        self._planned = True
        try:
            cut_off = self._cut_off.newest(self.station.camera)
        except EdgeAllError as error:
            self.problems.set(Kind.RECORD, str(error))
            return
        if cut_off is None:
            self._pending = Start() if self._settings.settings.service.autostart else None
            return
        tries = self._cut_off.tries(cut_off)
        if tries >= MOST_TRIES:
            told = f"session {cut_off} was gone on with {tries} times and cut off each time: begin another one"
            self.problems.set(Kind.CUT_OFF, told)
            return
        self._cut_off.note_try(cut_off)
        self._journal("goes-on", session=cut_off, tries=tries + 1)
        self._pending = Start(resume=True)

    def _check_models(self) -> None:
        try:
            profile = profile_of(self._settings.name, self._settings.settings)
            with self._slow_step():
                load_models_in_use(self._models, profile, say=self._say_engine).close()
        except EdgeAllError as error:
            self.problems.set(Kind.MODEL, str(error))
        else:
            self.problems.set(Kind.MODEL, None)

    def _tell_others(self) -> None:
        """By MQTT, as the settings say now."""
        try:
            self._telling.begin(self._settings.settings.mqtt)
        except EdgeAllError as error:
            self.problems.set(Kind.MQTT, str(error))
        else:
            self.problems.set(Kind.MQTT, None)
        self.device.publisher = self._telling.publisher

    def _monitoring_token(self) -> str:
        try:
            return monitoring_token(self._settings.settings.metrics)
        except EdgeAllError as error:
            self.problems.set(Kind.METRICS, str(error))
            return ""

    # -- as often as a loop turns --------------------------------------------------------------------------------

    def _turn(self) -> None:
        now = self._now()
        self.device.turned()
        self._heartbeat.beat(driver_stuck_s(self._camera) or self._idle.stuck_s)
        if self._reread:
            self._reread = False
            self._read_again()
        if now >= self._report_at:
            if self._memory.look(now):
                self._journal("memory", "error", text=f"{self._memory.problem}: restarting")
                self._notifier.restart()
            self._report_at = now + _REPORTS_EVERY_S
            self._report(now)
        if self._running_since is not None and now - self._running_since > _RUNS_WELL_S:
            self._cut_off.forget()
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
            self.problems.set(Kind.CAMERA, self._idle.trouble)
        elif isinstance(camera, WatchedCamera):
            lost = session.camera_state is CameraState.LOST
            self.problems.set(Kind.CAMERA, f"camera lost: {camera.reason}" if lost else None)
        self.problems.set(Kind.DISK, session.disk.in_words() if session is not None and session.disk.full else None)
        self.problems.set(Kind.MEMORY, self._memory.problem)
        if self._server is not None and self._certificate.is_due(now):
            self.problems.set(Kind.CERTIFICATE, self._certificate.look(self._server, now))
        self.problems.set(Kind.RECORD_ROOM, self._upkeep.problem if self._upkeep is not None else None)
        problems = self.problems.all()
        if Kind.DISK in problems and Kind.DISK in self._seen[1]:  # how much waits changes all the time
            problems[Kind.DISK] = self._seen[1][Kind.DISK]
        self.station.problems = tuple(problems.values())
        self.station.blocked = self.problems.blocking
        before, told = self._seen
        self._seen = (state, problems)
        for kind in told.keys() - problems.keys():
            self._journal("mended", what=kind)
        for kind, text in problems.items():
            if told.get(kind) != text:
                self._journal("problem", "error", what=kind, text=text)
        if (state.phase, state.session_id, state.error) != (before.phase, before.session_id, before.error):
            more = {"error": state.error} if state.error else {}
            engine = {"engine": state.engine} if state.engine and state.phase == "running" else {}
            level: Level = "error" if state.error else "info"
            self._journal("state", level, phase=state.phase, session=state.session_id or "none", **engine, **more)
            self._status_at = now
        if now >= self._status_at or told != problems:
            self._status_at = now + _STATUS_EVERY_S
            self._notifier.status(self._status())

    def _status(self) -> str:
        state, problems = self.station.state, self.problems.all()
        said = state.phase
        if state.phase in ("running", "paused"):
            said += f", session {state.session_id}, {self._counted or 'no field yet'}"
        elif state.error:
            said += f", the last session: {state.error}"
        if problems:
            said = f"{'safe mode' if self.problems.blocking else 'PROBLEM'}: {'; '.join(problems.values())} | {said}"
        return f"{said} | {self.url or 'no pages'}".replace("\n", " ")

    def _read_again(self) -> None:
        """What a running session uses stays as it is until its end."""
        self._notifier.reloading()
        before = self._settings.settings
        self._settings, wrong = self._read_settings()
        self.problems.set(Kind.SETTINGS, wrong)
        now = self._settings.settings
        if now.mqtt != before.mqtt:
            self._tell_others()
        other = (now.web, now.metrics) != self._served_as
        told = "[web] or [metrics] was changed: restart the service to serve the pages so" if other else None
        self.problems.set(Kind.RESTART, told)
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
