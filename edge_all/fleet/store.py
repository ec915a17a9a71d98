"""Storage of device messages in PostgreSQL. Each message is stored once, even if repeated, and in any order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edge_all.domain.labels import KINDS, LABELS
from edge_all.errors import EdgeAllError
from edge_all.fleet.incoming import Incoming, moment
from edge_all.fleet.schema import kind_column, migrate
from edge_all.text.uri import redacted

if TYPE_CHECKING:
    import psycopg

_MOST_REFUSED = 10_000
_MOST_REFUSED_BYTES = 64 << 10
_CONNECTS_WITHIN_S = 5


class DatabaseGoneError(EdgeAllError):
    """Database that does not respond. Repeat the last write, because it may or may not have succeeded."""


@dataclass(frozen=True)
class Refused:
    """Message that is not valid. topic and reason: one line each."""

    topic: str
    reason: str
    content: bytes


@dataclass(frozen=True)
class Seen:
    """Current state of a device as published outside its outbox."""

    device: str
    online: bool | None = None
    now: Mapping[str, Any] | None = None


class Store:
    """One connection to PostgreSQL, opened again when it was lost."""

    def __init__(self, where: str) -> None:
        """Check the address without connecting.

        Args:
            where: ``postgresql://...`` or ``host=... dbname=...``. Missing parts are taken from PGHOST, PGPASSWORD ...

        Raises:
            EdgeAllError: when psycopg is missing or the address is invalid.
        """
        self._where = where
        self._psycopg = _psycopg()
        try:
            self._psycopg.conninfo.conninfo_to_dict(where)
        except self._psycopg.ProgrammingError as error:
            raise EdgeAllError(
                f"the database address is not valid ({redacted(_line(error))})", "use postgresql://USER@HOST/DATABASE"
            ) from error
        self._database: psycopg.Connection | None = None

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def open(self) -> None:
        """Connect and migrate, unless already connected.

        Raises:
            DatabaseGoneError: when the database does not respond.
            EdgeAllError: when the database has a newer schema.
        """
        if self._database is not None and not self._database.closed:
            return
        try:
            database = self._psycopg.connect(self._where, autocommit=True, connect_timeout=_CONNECTS_WITHIN_S)
            migrate(database)
        except self._psycopg.Error as error:
            raise DatabaseGoneError(
                f"the database cannot be used ({_line(error)})", "check --database and that PostgreSQL is running"
            ) from error
        self._database = database

    def write(self, items: Iterable[Incoming | Refused | Seen]) -> list[Refused]:
        """Write all items in one transaction, on disk when this returns.

        Return the items that PostgreSQL did not accept, which are stored in the table "refused".

        Raises:
            DatabaseGoneError: when the database does not respond; treat all items as not written.
        """
        self.open()
        assert self._database is not None
        listed = list(items)
        try:
            try:
                with self._database.transaction():
                    for item in listed:
                        self._write(item)
            except (self._psycopg.DataError, self._psycopg.IntegrityError):
                return self._one_by_one(listed)
            return []
        except self._psycopg.Error as error:
            self.close()
            raise DatabaseGoneError(
                f"the database did not accept the messages ({_line(error)})", "retrying; nothing is lost"
            ) from error

    def _one_by_one(self, items: list[Incoming | Refused | Seen]) -> list[Refused]:
        assert self._database is not None
        not_accepted = []
        with self._database.transaction():
            for item in items:
                try:
                    with self._database.transaction():
                        self._write(item)
                except (self._psycopg.DataError, self._psycopg.IntegrityError) as error:
                    content = json.dumps(item.content).encode() if isinstance(item, Incoming) else b""
                    refused = Refused(getattr(item, "device", "?"), f"not storable: {_line(error)}", content)
                    not_accepted.append(refused)
                    self._write(refused)
        return not_accepted

    def _write(self, item: Incoming | Refused | Seen) -> None:
        if isinstance(item, Refused):
            self._refuse(item)
        elif isinstance(item, Seen):
            self._see(item)
        else:
            self._keep(item)

    def _execute(self, statement: str, values: Mapping[str, Any]) -> int:
        assert self._database is not None
        return self._database.execute(statement, values).rowcount

    def _refuse(self, item: Refused) -> None:
        self._execute(
            "INSERT INTO refused (topic, reason, content) VALUES (%(topic)s, %(reason)s, %(content)s)",
            {"topic": item.topic, "reason": item.reason, "content": item.content[:_MOST_REFUSED_BYTES]},
        )
        self._execute(
            "DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - %(most)s", {"most": _MOST_REFUSED}
        )

    def _see(self, item: Seen) -> None:
        now = None if item.now is None else json.dumps(item.now)
        self._execute(
            "INSERT INTO device (device, online, now) VALUES (%(device)s, coalesce(%(online)s, false), %(now)s) "
            "ON CONFLICT (device) DO UPDATE SET online = coalesce(%(online)s, device.online), "
            "now = coalesce(%(now)s, device.now), "
            "last_seen = CASE WHEN %(online)s IS FALSE THEN device.last_seen ELSE now() END",
            {"device": item.device, "online": item.online, "now": now},
        )

    def _keep(self, item: Incoming) -> None:
        self._execute(
            "INSERT INTO device (device) VALUES (%(device)s) ON CONFLICT (device) DO UPDATE SET last_seen = now()",
            {"device": item.device},
        )
        new = self._execute(
            "INSERT INTO message (uid, device, number, kind, created, content) VALUES (%(uid)s, %(device)s, "
            "%(number)s, %(kind)s, %(created)s, %(content)s) ON CONFLICT (uid) DO NOTHING",
            {
                "uid": item.uid,
                "device": item.device,
                "number": item.number,
                "kind": item.kind,
                "created": item.created,
                "content": json.dumps(item.content, ensure_ascii=False),
            },
        )
        if not new:
            return
        content = {"device": item.device, **item.content}
        if item.kind == "finding":
            self._finding(item, content)
        elif item.kind == "summary":
            self._summary(content)
        else:
            self._state(content)

    def _finding(self, item: Incoming, content: Mapping[str, Any]) -> None:
        self._execute(
            "INSERT INTO session (device, session) VALUES (%(device)s, %(session)s) ON CONFLICT DO NOTHING",
            {"device": content["device"], "session": content["session"]},
        )
        values = {
            "number": item.number,
            **{k: content.get(k) for k in ("label", "kind", "reason", "blast_probability", "unfamiliarity", "size_um")},
            **{k: content.get(k) for k in ("views", "engine", "calibration")},
            "seen": moment(content["time"]),
            "model_sha256": (content.get("model") or {}).get("sha256"),
        }
        names = ", ".join(values)
        self._execute(
            f"INSERT INTO finding AS old (device, session, cell, {names}, picture) "
            f"VALUES (%(device)s, %(session)s, %(cell)s, {', '.join(f'%({n})s' for n in values)}, %(picture)s) "
            "ON CONFLICT (device, session, cell) DO UPDATE SET "
            + "".join(f"{n} = excluded.{n}, " for n in values)
            + "picture = coalesce(excluded.picture, old.picture) WHERE excluded.number > old.number",
            {**{k: content[k] for k in ("device", "session", "cell")}, **values, "picture": item.picture},
        )

    def _summary(self, content: Mapping[str, Any]) -> None:
        counts = content["counts"]
        self._session(
            content,
            {
                "sample": content.get("sample"),
                "ended": moment(content["time"]),
                **{row.count_key: counts.get(row.count_key) for row in LABELS.by_model},
                **{kind_column(kind.key): counts.get("kinds", {}).get(kind.key) for kind in KINDS.by_model},
                **{k: counts[k] for k in ("fields", "frames")},
                "blast_percent": content["blast_percent"],
                "blast_percent_low": content["blast_percent_interval"][0],
                "blast_percent_high": content["blast_percent_interval"][1],
                "result": content["result"],
                "interrupted": content["interrupted"],
            },
        )

    def _state(self, content: Mapping[str, Any]) -> None:
        if content["state"] not in ("session begun", "session goes on"):
            self._session(content, {"sample": content.get("sample")})
            return
        when = moment(content["time"])
        facts = {k: content.get(k) for k in ("version", "profile", "engine")}
        models = content.get("models", [])
        start = when if content["state"] == "session begun" else None
        self._session(content, {"sample": content.get("sample"), "begun": start, "models": json.dumps(models), **facts})
        self._execute(
            "UPDATE device SET version = %(version)s, profile = %(profile)s, engine = %(engine)s "
            "WHERE device = %(device)s AND NOT EXISTS (SELECT FROM session WHERE device = %(device)s "
            "AND begun > %(when)s)",
            {"device": content["device"], "when": when, **facts},
        )
        period = "first_used = least(old.first_used, %(when)s), last_used = greatest(old.last_used, %(when)s)"
        if facts["version"]:
            self._execute(
                "INSERT INTO device_version AS old VALUES (%(device)s, %(version)s, %(when)s, %(when)s) "
                f"ON CONFLICT (device, version) DO UPDATE SET {period}",
                {"device": content["device"], "version": facts["version"], "when": when},
            )
        for model in models:
            self._execute(
                "INSERT INTO device_model AS old VALUES (%(device)s, %(sha256)s, %(name)s, %(version)s, %(when)s, "
                f"%(when)s) ON CONFLICT (device, sha256) DO UPDATE SET {period}",
                {"device": content["device"], "when": when, **{k: model[k] for k in ("name", "version", "sha256")}},
            )

    def _session(self, content: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Store what is known of a session. Each message adds the values that others left out, in any order."""
        names = list(values)
        self._execute(
            f"INSERT INTO session AS old (device, session, {', '.join(names)}) "
            f"VALUES (%(device)s, %(session)s, {', '.join(f'%({n})s' for n in names)}) "
            "ON CONFLICT (device, session) DO UPDATE SET "
            + ", ".join(f"{n} = coalesce(excluded.{n}, old.{n})" for n in names),
            {"device": content["device"], "session": content["session"], **values},
        )


def _psycopg() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        raise EdgeAllError(
            "the package psycopg, which connects to PostgreSQL, cannot be imported", "pip install 'edge-all[fleet]'"
        ) from error
    return psycopg


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
