"""Runs the program on fixed inputs and collects what it gives, as plain data with the masks of comparison.py."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.golden.comparison import Masks, without_words

DATA = Path(os.environ.get("EDGE_ALL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
EXPECTED = Path(__file__).parent / "expected"

SIMULATED = {
    "sim-apart": "sim:?seed=1&fields=3&frames_per_field=2",
    "sim-blasts": "sim:?seed=77&fields=3&frames_per_field=1&step=1.2&blast_fraction=0.4&cells=6",
    "sim-overlapping": "sim:?seed=4&fields=4&frames_per_field=1&cells=8&blast_fraction=0.4&step=0.4",
}
# Fields of three series of ALL-IDB1: two of patients with ALL, one of a healthy person.
# Their scale is given: measured, it follows from votes that the last digit of a sum can move by half a percent.
REAL_UM_PER_PX = 0.09
REAL = {"real-allidb1": ("Im009_1.jpg", "Im065_0.jpg", "Im048_1.jpg")}

# Settled, so that a machine with a GPU or many cores gives the same.
_ENGINE = ("--engine", "onnxruntime-cpu", "--precision", "fp32", "--threads", "1")


class Program:
    """The program in this process, with folders of its own and no settings of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        from edge_all.cli.main import main

        out, err = io.StringIO(), io.StringIO()
        code = 0
        with self._settings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([str(a) for a in arguments])
            except SystemExit as stop:
                code = int(stop.code or 0)
        return code, out.getvalue(), err.getvalue()

    def good(self, *arguments: object) -> tuple[str, str]:
        """Standard output and error of a call that has to succeed."""
        code, out, err = self(*arguments)
        if code != 0:
            raise AssertionError(f"edge-all {' '.join(str(a) for a in arguments)} ended with {code}: {err}")
        return out, err

    @contextlib.contextmanager
    def _settings(self) -> Iterator[None]:
        before = dict(os.environ)
        for name in [n for n in os.environ if n.startswith("EDGE_ALL_")]:
            del os.environ[name]
        os.environ["EDGE_ALL_CONFIG"] = str(self._folder / "no-device-settings")
        os.environ["XDG_STATE_HOME"] = str(self._folder / "state")
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def real_fields_are_here() -> bool:
    """Return True if the folder of real images is on this machine."""
    return all((DATA / "allidb1" / "images" / name).is_file() for names in REAL.values() for name in names)


def session_outputs(case: str, folder: Path) -> dict[str, Any]:
    """All that is compared of one session: the run, its cells and its reports."""
    program = Program(folder)
    record = folder / "record"
    camera: object = SIMULATED.get(case)
    scale: tuple[object, ...] = ()
    if camera is None:
        scale = ("--um-per-px", REAL_UM_PER_PX)
        camera = folder / "fields"
        camera.mkdir()
        for name in REAL[case]:
            (camera / name).symlink_to((DATA / "allidb1" / "images" / name).resolve())
    findings, told = program.good(
        "run", "--camera", camera, "--sample", "golden", "--log-json", "--record", record, *scale, *_ENGINE
    )
    as_csv, _ = program.good("cells", "--format", "csv", "--record", record)
    as_json, _ = program.good("cells", "--format", "json", "--record", record)
    reports = {}
    for form in ("json", "fhir", "csv"):
        program.good("report", "last", "--format", form, "--record", record, "--out", folder / f"report.{form}")
        reports[form] = (folder / f"report.{form}").read_text(encoding="utf-8")
    masks = Masks({str(folder): "<folder>"})
    rows = json.loads(as_json)
    return {
        "summary": masks.of_lines(_without_progress(told), str(camera)),
        "findings": [masks.of(json.loads(line)) for line in findings.splitlines()],
        "cells csv": _csv_rows(as_csv, rows),
        "cells": {"columns": list(rows[0]), "rows": [[masks.of(v, k) for k, v in row.items()] for row in rows]},
        "report json": masks.of(json.loads(reports["json"])),
        "report fhir": masks.of(json.loads(reports["fhir"])),
        "report csv": _report_rows(reports["csv"], masks),
    }


def _without_progress(text: str) -> str:
    """Without the lines that a slow machine gets every few seconds."""
    return "".join(line for line in text.splitlines(keepends=True) if "fields/s" not in line)


def _csv_rows(text: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The columns, and whether each row equals the JSON form, so that their values are compared once."""
    table = list(csv.DictReader(io.StringIO(text)))
    differing = [
        f"cell {row['cell']}: {name}"
        for row, wanted in zip(table, rows, strict=True)
        for name, value in row.items()
        if value != _as_csv(wanted[name])
    ]
    return {"columns": list(table[0]), "not as in json": differing}


def _as_csv(value: object) -> str:
    return "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)


def _report_rows(text: str, masks: Masks) -> list[list[Any]]:
    """Without the words: a section is known by its place, an item not at all."""
    header, *rows = csv.reader(io.StringIO(text))
    sections: dict[str, int] = {}
    found: list[list[Any]] = [header]
    for section, _item, value, unit, low, high, _note in rows:
        place = sections.setdefault(section, len(sections))
        found.append([place, *(_number(masks.of(v)) for v in (value, unit, low, high))])
    return found


def _number(value: Any) -> Any:
    try:
        return float(value) if "." in value else int(value)
    except ValueError:
        return value


def profile_schema(folder: Path) -> Any:
    """'config schema', its references resolved (the names of classes are not settings), without descriptions."""
    text, _ = Program(folder).good("config", "schema")
    schema = json.loads(text)
    definitions = schema.pop("$defs", {})

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(v) for v in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            rest = {k: v for k, v in value.items() if k != "$ref"}
            value = {**definitions[value["$ref"].rsplit("/", 1)[1]], **rest}
        # A property may itself be named title. Then its value is a schema, not a text.
        return {k: resolved(v) for k, v in value.items() if k not in ("title", "description") or not isinstance(v, str)}

    return resolved(schema)


def record_schema(folder: Path) -> dict[str, Any]:
    """The database of a new record: tables, columns, indices, triggers, versions."""
    record = folder / "record"
    Program(folder).good("run", "--camera", "sim:?seed=1&fields=1&frames_per_field=1", "--record", record, *_ENGINE)
    with contextlib.closing(sqlite3.connect(f"file:{record / 'record.sqlite3'}?mode=ro", uri=True)) as database:
        found: dict[str, Any] = {
            "user_version": database.execute("PRAGMA user_version").fetchone()[0],
            "tables": {},
            "indices": {},
            "triggers": {},
        }
        names = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = ? ORDER BY name"
        for name, _, sql in database.execute(names, ("table",)).fetchall():
            columns = database.execute(f"PRAGMA table_info('{name}')").fetchall()
            keys = database.execute(f"PRAGMA foreign_key_list('{name}')").fetchall()
            found["tables"][name] = {
                # number, name, type, not null, default, place in the primary key
                "columns": [list(column) for column in columns],
                "references": sorted([k[3], k[2], k[4]] for k in keys),
                "checks": [_one_line(c) for c in re.findall(r"CHECK\s*(\((?:[^()]|\([^()]*\))*\))", sql)],
            }
        for name, table, _ in database.execute(names, ("index",)).fetchall():
            columns = database.execute(f"PRAGMA index_info('{name}')").fetchall()
            found["indices"][name] = {"table": table, "columns": [c[2] for c in columns]}
        for name, table, sql in database.execute(names, ("trigger",)).fetchall():
            found["triggers"][name] = {"table": table, "sql": without_words(_one_line(sql))}
    return found


def _one_line(sql: str) -> str:
    return " ".join(sql.split())


def exit_codes(folder: Path) -> dict[str, Any]:
    """Good and bad calls: exit code, and whether each stream was used; an error is one line."""
    program = Program(folder)
    record, nothing = folder / "record", folder / "nothing"
    good, bad = folder / "good.toml", folder / "bad.toml"
    good.write_text("[limits]\n")
    bad.write_text("no_such_setting = 1\n[broken\n")
    (folder / "empty").mkdir()
    camera = "sim:?seed=1&fields=1&frames_per_field=1"
    calls: list[tuple[object, ...]] = [
        ("run", "--camera", camera, "--record", record, *_ENGINE),
        ("sessions", "--record", record),
        ("show", "last", "--record", record),
        ("cells", "--record", record),
        ("report", "last", "--record", record, "--out", folder / "report.html"),
        ("config", "show", "--json"),
        ("config", "check", good),
        ("--version",),
        ("--help",),
        ("run", "--help"),
        (),
        ("config", "check", bad),
        ("config", "check", nothing),
        ("no-such-command",),
        ("run", "--no-such-option"),
        ("run", "--camera", camera, "--record", record, "--threshold", "2"),
        ("run", "--camera", "nothing://x", "--record", record),
        ("run", "--camera", "sim:?no_such_setting=1", "--record", record),
        ("run", "--camera", nothing, "--record", record),
        ("run", "--camera", folder / "empty", "--record", record),
        ("run", "--camera", camera, "--models", nothing, "--record", record),
        ("run", "--camera", camera, "--profile", "no-such-profile", "--record", record),
        ("run", "--camera", camera, "--engine", "no-such-engine", "--record", record),
        ("run", "--camera", camera, "--certificate", good, "--record", record),
        ("sessions", "--record", nothing),
        ("cells", "--record", nothing),
        ("cells", "--session", "no-such-session", "--record", record),
        ("cells", "--format", "xml", "--record", record),
        ("show", "no-such-session", "--record", record),
        ("report", "last", "--record", record),
        ("report", "last", "--record", record, "--format", "xml", "--out", folder / "x"),
        ("report", "no-such-session", "--record", record, "--out", folder / "report.html"),
        ("report", "last", "--record", record, "--out", nothing / "report.html"),
    ]
    found = {}
    for call in calls:
        code, out, err = program(*call)
        shown = " ".join(str(a).replace(str(folder), "<folder>") for a in call)
        assert shown not in found, f"named twice: {shown}"
        found[shown] = {
            "exit code": code,
            "stdout": bool(out.strip()),
            "error lines": len(err.strip().splitlines()) if code else 0,
        }
    return found


CASES = (*SIMULATED, *REAL, "config-schema", "record-schema", "exit-codes")


def outputs(case: str, folder: Path) -> Any:
    """Return the output of one case. folder: empty; its files are left there."""
    if case in SIMULATED or case in REAL:
        return session_outputs(case, folder)
    return {"config-schema": profile_schema, "record-schema": record_schema, "exit-codes": exit_codes}[case](folder)
