"""Endpoints /metrics and /healthz for monitoring programs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from edge_all.i18n.catalog import text
from edge_all.web.context import context_of


def metrics(request: Request) -> Response:
    """Return the metrics in the Prometheus format."""
    from edge_all.telemetry.prometheus import CONTENT_TYPE, exposition

    context = context_of(request)
    if context.microscope is None:
        return PlainTextResponse(text("live.none"), 404)
    return Response(exposition(context.microscope.device), media_type=None, headers={"Content-Type": CONTENT_TYPE})


def healthz(request: Request) -> Response:
    """Return the health of the device.

    The answer is 200 with status "ok", or "degraded" with the troubles. It is 503 with "fails" if the device hangs or
    no session can start.
    """
    microscope = context_of(request).microscope
    if microscope is None:
        return JSONResponse({"status": "ok", "troubles": []})
    device = microscope.device
    fails, troubles = device.fails, device.troubles()
    status = "fails" if fails else "degraded" if troubles else "ok"
    return JSONResponse(
        {"status": status, "phase": device.station.state.phase, "troubles": troubles}, 503 if fails else 200
    )
