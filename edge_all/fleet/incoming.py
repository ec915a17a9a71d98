"""Validation of messages from the broker, which any client with write permission can fill with any content."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from edge_all.domain.labels import KINDS, LABELS

FORMAT = 1
_MOST_BYTES = 2 << 20
_DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UID = re.compile(r"[\x21-\x7e]{1,100}")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_KINDS = ("finding", "summary", "state")


class NotOursError(Exception):
    """Message that is not a valid message of a device. The text is the reason in a few words."""

    def __init__(self, reason: str, uid: str | None = None) -> None:
        """Store the reason and, if the message contains a valid one, its uid."""
        super().__init__(reason)
        self.uid = uid


@dataclass(frozen=True)
class Incoming:
    """Validated message from the outbox of a device."""

    device: str
    kind: str
    uid: str
    number: int
    created: datetime
    content: Mapping[str, Any]
    """Complete content except the picture."""
    picture: bytes | None = None
    """PNG file."""


def device_in(topic: str, prefix: str) -> tuple[str, str]:
    """Return the device and the last part of a topic: "lab/edge-all/scope-1/finding" gives scope-1 and finding.

    Raises:
        NotOursError: when it is not a topic of a device.
    """
    parts = topic.removeprefix(prefix + "/").split("/")
    if len(parts) != 2 or not _DEVICE.fullmatch(parts[0]):
        raise NotOursError("not a topic of a device")
    return parts[0], parts[1]


def read_message(device: str, kind: str, payload: bytes) -> Incoming:
    """Validate a message from an outbox. Raises NotOursError if it is not valid."""
    content = read_object(payload)
    uid = content.get("uid")
    if not isinstance(uid, str) or not _UID.fullmatch(uid):
        raise NotOursError("no uid")
    try:
        if content.get("format") != FORMAT:
            raise NotOursError(f"format {str(content.get('format'))[:20]!r}, known is {FORMAT}")
        if content.get("device") != device:
            raise NotOursError("its device differs from that of the topic")
        if kind not in _KINDS:
            raise NotOursError("unknown kind")
        _text(content, "session", 100)
        if kind == "finding":
            _check_finding(content)
        elif kind == "summary":
            _check_summary(content)
        else:
            _check_state(content)
        number, created = _whole(content, "number", 1, 2**62), _time(content, "created")
        _time(content, "time")
        picture = _picture(content.pop("picture_png", None))
    except NotOursError as error:
        raise NotOursError(str(error), uid) from error
    return Incoming(device, kind, uid, number, created, content, picture)


def read_object(payload: bytes) -> dict[str, Any]:
    """Parse a JSON object that PostgreSQL can store. Raises NotOursError if it is not valid."""
    if len(payload) > _MOST_BYTES:
        raise NotOursError(f"{len(payload)} bytes, more than the limit of {_MOST_BYTES}")
    try:
        content = json.loads(payload.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise NotOursError("not valid JSON") from error
    if not isinstance(content, dict):
        raise NotOursError("not a JSON object")
    try:
        written = json.dumps(content, ensure_ascii=False)
        written.encode()
    except (UnicodeEncodeError, RecursionError) as error:
        raise NotOursError("characters that are not valid in text") from error
    if _NUL.search(written):
        raise NotOursError("characters that are not valid in text")
    return content


def moment(seconds: float) -> datetime:
    """Convert seconds since the epoch to a time in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def _check_finding(content: dict[str, Any]) -> None:
    _whole(content, "cell", 1, 2**31 - 1)
    label = content.get("label")
    if not isinstance(label, str) or (key := LABELS.current(label)) not in LABELS or not LABELS[key].by_model:
        raise NotOursError("a finding without a valid label")
    content["label"] = key
    kind = content.get("kind") or ""
    if kind not in ("", key) and (kind not in KINDS or KINDS[kind].label != key):
        raise NotOursError("a finding whose kind does not fit its label")
    _whole(content, "views", 0, 2**31 - 1)
    for name in ("blast_probability", "unfamiliarity", "size_um"):
        if content.get(name) is not None:
            _number(content, name, 0, 1e6)
    if content.get("model") is not None:
        _check_model(content["model"])
    if content.get("engine") is not None:
        _text(content, "engine", 500)
    for name in ("reason", "calibration"):
        if content.get(name) is not None:
            _text(content, name, 200)


def _check_summary(content: Mapping[str, Any]) -> None:
    counts = content.get("counts")
    if not isinstance(counts, dict):
        raise NotOursError("no counts")
    for name in ("fields", "frames"):
        _whole(counts, name, 0, 2**31 - 1)
    for row in LABELS.by_model:
        if row.count_key in counts or row.always_counted:
            _whole(counts, row.count_key, 0, 2**31 - 1)
    kinds = counts.get("kinds", {})
    if not isinstance(kinds, dict):
        raise NotOursError("kinds is not an object")
    for kind in KINDS.by_model:
        if kind.key in kinds:
            _whole(kinds, kind.key, 0, 2**31 - 1)
    _number(content, "blast_percent", 0, 100)
    interval = content.get("blast_percent_interval")
    if not isinstance(interval, list) or len(interval) != 2:
        raise NotOursError("no interval")
    for number in interval:
        _number({"blast_percent_interval": number}, "blast_percent_interval", 0, 100)
    _text(content, "result", 1000)
    if not isinstance(content.get("interrupted"), bool):
        raise NotOursError("interrupted is neither true nor false")
    _sample(content)


def _check_state(content: Mapping[str, Any]) -> None:
    _text(content, "state", 100)
    _sample(content)
    for name in ("version", "profile", "engine"):
        if content.get(name) is not None:
            _text(content, name, 500)
    models = content.get("models", [])
    if not isinstance(models, list) or len(models) > 20:
        raise NotOursError("models is not a list of at most 20")
    for model in models:
        _check_model(model)


def _check_model(model: Any) -> None:
    if not isinstance(model, dict):
        raise NotOursError("a model that is not an object")
    for name in ("name", "version", "sha256"):
        _text(model, name, 200)


def _sample(content: Mapping[str, Any]) -> None:
    if content.get("sample") is not None:
        _text(content, "sample", 200)


def _text(content: Mapping[str, Any], name: str, most: int) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise NotOursError(f"{name} is not a text of 1 to {most} characters")
    return value


def _number(content: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = content.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise NotOursError(f"{name} is not a number from {low:g} to {high:g}")
    return float(value)


def _whole(content: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = content.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise NotOursError(f"{name} is not a whole number from {low} to {high}")
    return value


def _time(content: Mapping[str, Any], name: str) -> datetime:
    return moment(_number(content, name, 0, 4e9))


def _picture(encoded: Any) -> bytes | None:
    if encoded is None:
        return None
    try:
        picture = base64.b64decode(encoded, validate=True)
    except (ValueError, TypeError) as error:
        raise NotOursError("a picture that is not valid base64") from error
    if not picture.startswith(b"\x89PNG\r\n\x1a\n"):
        raise NotOursError("a picture that is not a PNG")
    return picture


def _no_constant(name: str) -> float:
    raise ValueError(name)
