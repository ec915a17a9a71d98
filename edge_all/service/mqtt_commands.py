"""Commands by MQTT: start with a sample id, stop. They enter the one queue of commands."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from edge_all.errors import UsageError
from edge_all.session.commands import Command, CommandQueue, Start, Stop
from edge_all.session.operator import Operator

_MOST_BYTES = 4096
_REMEMBERED = 1000


class CommandReceiver:
    """Reads {"id": "any text", "do": "start", "sample": "S1", "operator": "Ada"} and {"id": ..., "do": "stop"}.

    sample and operator may be left out; the operator's name is recorded as given, not proven.
    A command that comes twice (same id) is obeyed once. A retained one is not obeyed: it would start a session at every
    connection.
    """

    def __init__(self, commands: CommandQueue, say: Callable[[str], None] = lambda _: None) -> None:
        """say: told in one line of every command."""
        self._commands, self._say = commands, say
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._answers: list[str] = []

    def receive(self, payload: bytes, retained: bool) -> None:
        """One message of the command topic, whoever sent it."""
        try:
            identifier, command = _read(payload, retained)
        except UsageError as error:
            self._say(f"MQTT: a command was not obeyed ({error})")
            self._answer(None, str(error))
            return
        if identifier in self._seen:
            return
        self._seen[identifier] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        taken = self._commands.put(command)
        self._say(f"MQTT: {type(command).__name__.lower()} {'taken' if taken else 'refused: too many commands wait'}")
        self._answer(identifier, None if taken else "too many commands wait")

    def answers(self) -> list[str]:
        """Those to be sent, once."""
        answers, self._answers = self._answers, []
        return answers

    def _answer(self, identifier: str | None, refused: str | None) -> None:
        self._answers.append(json.dumps({"id": identifier, "taken": refused is None, "why": refused}))


def _read(payload: bytes, retained: bool) -> tuple[str, Command]:
    if retained:
        raise UsageError("it was retained", "publish commands without the retain flag")
    if len(payload) > _MOST_BYTES:
        raise UsageError(f"it has {len(payload)} bytes", f"at most {_MOST_BYTES} are read")
    try:
        said: Any = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise UsageError("it is no JSON", 'send {"id": "1", "do": "start", "sample": "S1"}') from error
    if not isinstance(said, dict) or not isinstance(said.get("id"), str) or not 0 < len(said["id"]) <= 100:
        raise UsageError("it has no id", 'send {"id": "1", "do": "stop"}, with an id of its own each time')
    if unknown := set(said) - {"id", "do", "sample", "operator"}:
        raise UsageError(f"it holds {sorted(unknown)[0][:40]!r}", "known are id, do, sample, operator")
    sample, name = _text_or_none(said, "sample"), _text_or_none(said, "operator")
    if said.get("do") == "start":
        return said["id"], Start(sample, operator=None if name is None else Operator(name))
    if said.get("do") == "stop" and sample is None and name is None:
        return said["id"], Stop()
    raise UsageError("it says neither start nor stop", 'send {"id": "1", "do": "stop"}')


def _text_or_none(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"its {name} is no text", "write it in quotes")
    return value
