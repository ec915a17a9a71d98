"""Live page of the running session: picture, counts, commands."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from edge_all.domain.labels import LABELS
from edge_all.domain.statistics import ENOUGH_CELLS
from edge_all.errors import UsageError
from edge_all.i18n.catalog import load_texts, text
from edge_all.reports.cautions import limit_cautions
from edge_all.review.differential import Differential, Line
from edge_all.session.commands import Command, Pause, Resume, Start, Stop
from edge_all.session.operator import Operator
from edge_all.session.station import Station
from edge_all.text.display_text import shown
from edge_all.web.context import MOST_WATCHERS, browser_session_of, context_of, form_text
from edge_all.web.live.mjpeg import MjpegResponse
from edge_all.web.security.permissions import needs
from edge_all.web.templating import refusal, render

_SILENT_S = 3.0
_GOALS = (ENOUGH_CELLS, 2 * ENOUGH_CELLS)
_COMMANDS: dict[str, type[Pause] | type[Resume] | type[Stop]] = {"pause": Pause, "resume": Resume, "stop": Stop}
_FITS = {
    "start": ("idle", "running", "paused"),
    "pause": ("running",),
    "resume": ("paused",),
    "stop": ("running", "paused"),
}


def first_page(request: Request) -> Response:
    """Redirect to the live page if a microscope is connected, else to the sessions."""
    return RedirectResponse("/live" if context_of(request).station else "/sessions", 303)


@needs("viewer")
def live_page(request: Request) -> Response:
    """Show picture, counts and buttons."""
    if context_of(request).station is None:
        return refusal(request, text("live.none"), 404)
    return render(request, "live.html", state=_state(request), goals=_GOALS)


@needs("viewer")
def live_state(request: Request) -> Response:
    """Return the state of the live page as JSON. The page requests it once per second."""
    if context_of(request).station is None:
        return refusal(request, text("live.none"), 404)
    return JSONResponse(_state(request), headers={"Cache-Control": "no-store"})


@needs("viewer")
def live_stream(request: Request) -> Response:
    """Stream the picture as MJPEG."""
    context = context_of(request)
    if context.live is None:
        return refusal(request, text("live.none"), 404)
    if context.watchers >= MOST_WATCHERS:
        return refusal(request, text("live.crowded", most=MOST_WATCHERS), 503)
    return MjpegResponse(context)


@needs("viewer")
def live_picture(request: Request) -> Response:
    """Return the newest picture."""
    live = context_of(request).live
    newest = live.picture() if live is not None else None
    if newest is None:
        return refusal(request, text("live.no_picture"), 404)
    return Response(newest[1], media_type="image/jpeg", headers={"Cache-Control": "no-store"})


@needs("reviewer")
def live_command(request: Request) -> Response:
    """Queue a command: start (with a sample ID; a running session is ended first), pause, resume or stop."""
    station = context_of(request).station
    if station is None:
        return refusal(request, text("live.none"), 404)
    asked = form_text(request, "command")
    if asked not in _FITS:
        return refusal(request, text("live.unknown_command"), 400)
    phase = station.state.phase
    if phase not in _FITS[asked]:
        return refusal(request, text("live.not_now", phase=text(f"phase.{phase}")), 409)
    try:
        command: Command = _start(request) if asked == "start" else _COMMANDS[asked]()
    except UsageError as error:
        return refusal(request, str(error), 400)
    if isinstance(command, Start) and phase != "idle" and command.sample == station.state.sample:
        return refusal(request, text("live.same_sample"), 409)  # a barcode was read twice
    if not station.commands.put(command):
        return refusal(request, text("live.busy"), 503)
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(_state(request))
    return RedirectResponse("/live", 303)


def _start(request: Request) -> Start:
    """Return the start command. Raise UsageError when the sample ID is not valid."""
    who = browser_session_of(request).reviewer
    return Start(form_text(request, "sample"), operator=None if who is None else Operator(who.name, who.proven))


def _state(request: Request) -> dict[str, Any]:
    context = context_of(request)
    assert context.station is not None
    station = context.station.state
    live = context.live.counts() if context.live is not None else None
    if live is not None and station.session_id != live.session_id:
        live = None
    counted = Differential({}, {}) if live is None else Differential.of_counts(live.counts)
    blasts = counted.blasts
    works = station.phase in ("running", "paused")
    silent = works and live is not None and live.age_s > _SILENT_S
    lost = works and live is not None and bool(live.camera)
    if lost:
        camera = "lost"
    elif silent:
        camera = "silent"
    else:
        camera = "works" if works and live is not None else "waits"
    return {
        "phase": station.phase,
        "phase_text": text(f"phase.{station.phase}"),
        "session": station.session_id or "",
        "sample": shown(station.sample),
        "caution": " ".join(limit_cautions(live.counts.outside_limits)) if live is not None else "",
        "error": " · ".join(shown(problem, 300) for problem in _troubles(context.station)),
        "picture": works or (context.live is not None and context.live.shows_idle),
        "gate": _gate_text("camera lost" if lost else live.gate) if live is not None and works else "",
        "gate_good": live is not None and works and not lost and live.gate in ("", "same field"),
        "camera": text(
            f"live.camera_{camera}",
            seconds=f"{live.age_s:.0f}" if live is not None else "",
            reason=shown(live.camera) if live is not None else "",
        ),
        "camera_name": shown(context.station.camera),
        "engine": shown(station.engine.partition(" (")[0].removeprefix("engine "), 120) or text("live.no_engine"),
        "rate": text("live.rate", rate=f"{live.fields_per_s:.1f}") if live is not None and works else "",
        "fields": live.counts.fields if live is not None else 0,
        "leukocytes": counted.leukocytes,
        "lines": [_line(line, counted) for line in counted.lines],
        **{row.count_key: counted.count(row.key) for row in (*LABELS.counted_apart, *LABELS.not_counted)},
        **{f"{row.count_key}_per_100": _per_100(row.key, counted) for row in LABELS.counted_apart},
        "blast_percent": f"{blasts.percent:.1f} %" if counted.leukocytes else text("live.nothing_yet"),
        "interval": text("live.interval", low=f"{blasts.low:.1f}", high=f"{blasts.high:.1f}"),
        "low": round(blasts.low, 2),
        "high": round(blasts.high, 2),
        "percent": round(blasts.percent, 2),
        "goals": [
            {"share": min(1.0, counted.leukocytes / goal), "text": _goal_text(counted.leukocytes, goal)}
            for goal in _GOALS
        ],
    }


def _line(line: Line, counted: Differential) -> dict[str, Any]:
    share = line.share
    known = bool(counted.leukocytes)
    return {
        "key": line.key,
        "label": line.label,
        "text": text(line.words),
        "count": share.count,
        "percent": f"{share.percent:.1f} %" if known else "",
        "interval": text("live.interval_of_line", low=f"{share.low:.1f}", high=f"{share.high:.1f}") if known else "",
    }


def _per_100(label: str, counted: Differential) -> str:
    number = counted.per_100(label)
    return "" if number is None else text("summary.per_100", count=f"{number:.1f}")


def _troubles(station: Station) -> list[str]:
    """Return the current problems. The service reports a full disk itself; without it, the session's state is used."""
    state, session = station.state, station.session
    problems = [*state.problems, state.error or ""]
    if session is not None and session.disk.full and not any("disk of the record is full" in t for t in problems):
        problems.append(session.disk.in_words())
    return [t for t in problems if t]


def _goal_text(cells: int, goal: int) -> str:
    return text("live.goal_reached", goal=goal) if cells >= goal else text("live.goal", left=goal - cells, goal=goal)


def _gate_text(reasons: str) -> str:
    if not reasons:
        return text("gate.good")
    texts = load_texts()
    first = reasons.split(", ")[0]
    return texts.get(f"gate.{first.replace(' ', '_')}", first)
