"""Access of monitoring programs to /metrics and /healthz."""

from __future__ import annotations

import hmac

from edge_all.web.context import ReviewContext

PATHS = ("/metrics", "/healthz")


def allowed(context: ReviewContext, authorization: str) -> bool:
    """Return True on the loopback, or with the token as "Bearer TOKEN"."""
    if context.endpoint.loopback:
        return True
    scheme, _, given = authorization.partition(" ")
    token = context.microscope.monitoring_token if context.microscope is not None else ""
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())
