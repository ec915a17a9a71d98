"""What comes from the broker, read with suspicion: whoever may write there may write anything."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

FORMAT = 1
_MOST_BYTES = 2 << 20
_DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UID = re.compile(r"[\x21-\x7e]{1,100}")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_LABELS = ("blast", "normal", "unidentified", "smudge")
_KINDS = ("finding", "summary", "state")


class NotOursError(Exception):
    """What it is instead, in a few words. uid: where it carries a legible one."""

    def __init__(self, reason: str, uid: str | None = None) -> None:
        super().__init__(reason)
        self.uid = uid


@dataclass(frozen=True)
class Incoming:
    """One message of a device's outbox, checked. content: everything it says, its picture apart."""

    device: str
    kind: str
    uid: str
    number: int
    created: datetime
    content: Mapping[str, Any]
    picture: bytes | None = None


def device_in(topic: str, prefix: str) -> tuple[str, str]:
    """Device and what follows it: "lab/edge-all/scope-1/finding" gives scope-1 and finding. Raises NotOursError."""
    parts = topic.removeprefix(prefix + "/").split("/")
    if len(parts) != 2 or not _DEVICE.fullmatch(parts[0]):
        raise NotOursError("a topic of no device")
    return parts[0], parts[1]


def read_message(device: str, kind: str, payload: bytes) -> Incoming:
    """A message of an outbox. Raises NotOursError."""
    said = read_object(payload)
    uid = said.get("uid")
    if not isinstance(uid, str) or not _UID.fullmatch(uid):
        raise NotOursError("no uid")
    try:
        if said.get("format") != FORMAT:
            raise NotOursError(f"format {str(said.get('format'))[:20]!r}, known is {FORMAT}")
        if said.get("device") != device:
            raise NotOursError("another device's name than its topic's")
        if kind not in _KINDS:
            raise NotOursError("of no known kind")
        _text(said, "session", 100)
        if kind == "finding":
            _check_finding(said)
        elif kind == "summary":
            _check_summary(said)
        else:
            _check_state(said)
        number, created = _whole(said, "number", 1, 2**62), _time(said, "created")
        _time(said, "time")
        picture = _picture(said.pop("picture_png", None))
    except NotOursError as error:
        raise NotOursError(str(error), uid) from error
    return Incoming(device, kind, uid, number, created, said, picture)


def read_object(payload: bytes) -> dict[str, Any]:
    """A JSON object that PostgreSQL can keep. Raises NotOursError."""
    if len(payload) > _MOST_BYTES:
        raise NotOursError(f"{len(payload)} bytes, at most {_MOST_BYTES} are read")
    try:
        said = json.loads(payload.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise NotOursError("no JSON") from error
    if not isinstance(said, dict):
        raise NotOursError("no JSON object")
    try:
        written = json.dumps(said, ensure_ascii=False)
        written.encode()
    except (UnicodeEncodeError, RecursionError) as error:
        raise NotOursError("characters that no text holds") from error
    if _NUL.search(written):
        raise NotOursError("characters that no text holds")
    return said


def moment(seconds: float) -> datetime:
    """Seconds since the epoch, with its zone."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def _check_finding(said: Mapping[str, Any]) -> None:
    _whole(said, "cell", 1, 2**31 - 1)
    if said.get("label") not in _LABELS:
        raise NotOursError("a finding of no label")
    _whole(said, "views", 0, 2**31 - 1)
    for name in ("blast_probability", "unfamiliarity", "size_um"):
        if said.get(name) is not None:
            _number(said, name, 0, 1e6)
    if said.get("model") is not None:
        _check_model(said["model"])
    if said.get("engine") is not None:
        _text(said, "engine", 500)


def _check_summary(said: Mapping[str, Any]) -> None:
    counts = said.get("counts")
    if not isinstance(counts, dict):
        raise NotOursError("no counts")
    for name in ("fields", "frames", "blasts", "normals", "unidentified", "smudges"):
        _whole(counts, name, 0, 2**31 - 1)
    _number(said, "blast_percent", 0, 100)
    interval = said.get("blast_percent_interval")
    if not isinstance(interval, list) or len(interval) != 2:
        raise NotOursError("no interval")
    for number in interval:
        _number({"blast_percent_interval": number}, "blast_percent_interval", 0, 100)
    _text(said, "result", 1000)
    if not isinstance(said.get("interrupted"), bool):
        raise NotOursError("interrupted is neither true nor false")
    _sample(said)


def _check_state(said: Mapping[str, Any]) -> None:
    _text(said, "state", 100)
    _sample(said)
    for name in ("version", "profile", "engine"):
        if said.get(name) is not None:
            _text(said, name, 500)
    models = said.get("models", [])
    if not isinstance(models, list) or len(models) > 20:
        raise NotOursError("models are no list")
    for model in models:
        _check_model(model)


def _check_model(model: Any) -> None:
    if not isinstance(model, dict):
        raise NotOursError("a model that is none")
    for name in ("name", "version", "sha256"):
        _text(model, name, 200)


def _sample(said: Mapping[str, Any]) -> None:
    if said.get("sample") is not None:
        _text(said, "sample", 200)


def _text(said: Mapping[str, Any], name: str, most: int) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise NotOursError(f"{name} is no text of 1 to {most} characters")
    return value


def _number(said: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise NotOursError(f"{name} is no number from {low:g} to {high:g}")
    return float(value)


def _whole(said: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise NotOursError(f"{name} is no whole number from {low} to {high}")
    return value


def _time(said: Mapping[str, Any], name: str) -> datetime:
    return moment(_number(said, name, 0, 4e9))


def _picture(encoded: Any) -> bytes | None:
    if encoded is None:
        return None
    try:
        picture = base64.b64decode(encoded, validate=True)
    except (ValueError, TypeError) as error:
        raise NotOursError("a picture that is none") from error
    if not picture.startswith(b"\x89PNG\r\n\x1a\n"):
        raise NotOursError("a picture that is no PNG")
    return picture


def _no_constant(name: str) -> float:
    raise ValueError(name)
