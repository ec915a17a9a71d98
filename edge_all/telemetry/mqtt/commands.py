"""Commands received by MQTT (start with a sample id, stop), passed to the command queue."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from edge_all.errors import UsageError
from edge_all.session.commands import Command, CommandQueue, Start, Stop
from edge_all.session.operator import Operator

_log = logging.getLogger(__name__)
_MOST_BYTES = 4096
_REMEMBERED = 1000


class CommandReceiver:
    """Receiver of {"id": "any text", "do": "start", "sample": "S1", "operator": "Ada"} and {"id": ..., "do": "stop"}.

    sample and operator are optional; the operator's name is recorded as not authenticated.
    A repeated command (same id) is executed once. A retained command is rejected, because it would start a session on
    every connection.
    """

    def __init__(self, commands: CommandQueue) -> None:
        self._commands = commands
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._answers: list[str] = []

    def receive(self, payload: bytes, retained: bool) -> None:
        """Process one message from the command topic."""
        try:
            identifier, command = _read(payload, retained)
        except UsageError as error:
            _log.warning("MQTT: rejected a command (%s)", error)
            self._answer(None, str(error))
            return
        if identifier in self._seen:
            return
        self._seen[identifier] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        taken = self._commands.put(command)
        outcome = "accepted" if taken else "rejected: too many commands are waiting"
        _log.info("MQTT: %s %s", type(command).__name__.lower(), outcome)
        self._answer(identifier, None if taken else "too many commands are waiting")

    def answers(self) -> list[str]:
        """Return and clear the answers to be sent."""
        answers, self._answers = self._answers, []
        return answers

    def _answer(self, identifier: str | None, refused: str | None) -> None:
        self._answers.append(json.dumps({"id": identifier, "taken": refused is None, "why": refused}))


def _read(payload: bytes, retained: bool) -> tuple[str, Command]:
    if retained:
        raise UsageError("it was retained", "publish commands without the retain flag")
    if len(payload) > _MOST_BYTES:
        raise UsageError(f"it has {len(payload)} bytes", f"send at most {_MOST_BYTES}")
    try:
        message: Any = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise UsageError("it is not valid JSON", 'send {"id": "1", "do": "start", "sample": "S1"}') from error
    if not isinstance(message, dict) or not isinstance(message.get("id"), str) or not 0 < len(message["id"]) <= 100:
        raise UsageError("it has no id", 'send {"id": "1", "do": "stop"} with a different id each time')
    if unknown := set(message) - {"id", "do", "sample", "operator"}:
        raise UsageError(f"it contains {sorted(unknown)[0][:40]!r}", "use only id, do, sample and operator")
    sample, name = _text_or_none(message, "sample"), _text_or_none(message, "operator")
    if message.get("do") == "start":
        return message["id"], Start(sample, operator=None if name is None else Operator(name))
    if message.get("do") == "stop" and sample is None and name is None:
        return message["id"], Stop()
    raise UsageError("it is neither a start nor a stop command", 'send {"id": "1", "do": "stop"}')


def _text_or_none(message: Mapping[str, Any], name: str) -> str | None:
    value = message.get(name)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"its {name} is not a string", "write it in quotes")
    return value
