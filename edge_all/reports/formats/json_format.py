"""Report as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edge_all.domain.labels import KINDS, LABELS
from edge_all.domain.picture_limits import OutsideLimits
from edge_all.domain.types import Counts
from edge_all.i18n.catalog import text
from edge_all.reports.cautions import cautions
from edge_all.reports.contents import GalleryCell, ReportContents
from edge_all.review.differential import IN_DOUBT, Differential, Share
from edge_all.review.model_agreement import ModelAgreement
from edge_all.review.reviewed_differential import ReviewedDifferential
from edge_all.session.calibration import recorded_adaptation
from edge_all.session.operator import recorded_operator

FORMAT = "edge-all report 1"


def report_json(c: ReportContents) -> str:
    """Return UTF-8 text. Names are unchanged, because JSON has no markup; lone surrogates are escaped."""
    written = json.dumps(report_values(c), indent=1, ensure_ascii=False)
    return written.encode("utf-8", "backslashreplace").decode() + "\n"


def report_values(c: ReportContents) -> dict[str, Any]:
    """Return the report as plain values."""
    s = c.session
    operator, adaptation = recorded_operator(s.settings), recorded_adaptation(s.settings)
    return {
        "format": FORMAT,
        "research_use_only": True,
        "notice": text("page.research"),
        "status": "final" if c.signed else "preliminary",
        "made": iso_time(c.made),
        "session": {
            "id": s.id,
            "sample": s.sample,
            "operator": None if operator is None else asdict(operator),
            "begun": iso_time(s.begun),
            "ended": None if s.ended is None else iso_time(s.ended),
            "interrupted": s.interrupted,
            "camera": s.camera,
            "profile": s.profile,
            "engine": s.engine,
            "program_version": s.version,
            "thresholds": asdict(s.thresholds),
            **({} if adaptation is None else {"cells_calibration": asdict(adaptation)}),
            "result": c.result,
            "counts": _counts(s.counts),
        },
        "differential": _reviewed(c.differential, s.counts.outside_limits),
        "blasts_by_measurement": asdict(c.description),
        "quality": asdict(c.quality),
        "models": [asdict(m) for m in c.models],
        "engines": [{"engine": e, "sha256": sha256, "cells": n} for e, sha256, n in c.engines],
        "reviewers": [{"name": n, "proven": p, "verdicts": v} for n, p, v in c.reviewers],
        "signature": None if c.approval is None else {**asdict(c.approval), "time": iso_time(c.approval.time)},
        "control": None if c.control is None else {**asdict(c.control), "time": iso_time(c.control.time)},
        "blasts": c.blasts,
        "gallery": [_cell(g) for g in c.gallery],
    }


def _counts(c: Counts) -> dict[str, Any]:
    return {
        "fields": c.fields,
        "frames": c.frames,
        "skipped": dict(c.skipped),
        "warned": dict(c.warned),
        "outside_limits": [one.to_values() for one in c.outside_limits],
        **c.named(),
        "kinds": dict(c.by_kind) if any(c.by_kind.values()) else {},
    }


def _reviewed(d: ReviewedDifferential, outside: Sequence[OutsideLimits]) -> dict[str, Any]:
    return {
        "before": _differential(d.before, outside),
        "after": _differential(d.after, outside),
        "reviewed": d.reviewed,
        "changed": d.changed,
        "findings_open": d.findings_open,
        "agreements": [asdict(a) for a in d.agreements],
        "model_agreement": None if d.model_agreement is None else _model_agreement(d.model_agreement),
    }


def _model_agreement(a: ModelAgreement) -> dict[str, Any]:
    return {
        "agreed": _agreed("all", a.agreed),
        "kappa": a.kappa,
        "kinds": [{**_agreed(k.key, k.agreed), "reviewed_as": dict(k.reviewed)} for k in a.kinds],
    }


def _agreed(name: str, s: Share) -> dict[str, Any]:
    """Return a share with the number of cells that it is of, unlike the shares of a differential."""
    return {**_share(name, s), "of": s.total}


def _differential(d: Differential, outside: Sequence[OutsideLimits]) -> dict[str, Any]:
    apart: dict[str, float | None] = {}
    for row in LABELS.counted_apart:
        apart[row.count_key] = d.count(row.key)
        apart[f"{row.count_key}_per_100"] = d.per_100(row.key)
    return {
        "leukocytes": d.leukocytes,
        "shares": [_share(row.key, d.share(row.key)) for row in LABELS.leukocytes],
        "by_kind": d.by_kind,
        "kinds": [
            _share(line.key, line.share)
            for line in d.lines
            if line.key in KINDS or (line.key == IN_DOUBT and d.by_kind)
        ],
        **apart,
        **{row.count_key: d.count(row.key) for row in LABELS.not_counted},
        "cautions": cautions(d, outside),
    }


def _share(name: str, s: Share) -> dict[str, Any]:
    return {"name": name, "count": s.count, "percent": s.percent, "low": s.low, "high": s.high}


def _cell(g: GalleryCell) -> dict[str, Any]:
    return {
        "cell": g.number,
        "label": g.label,
        "kind": g.kind,
        "verdict": g.verdict,
        "reviewer": g.reviewer,
        "blast_probability": g.blast_probability,
        "size_um": round(g.size_um, 2),
        "frame": g.frame,
        "frame_index": g.frame_index,
        "x_px": round(g.x_px, 2),
        "y_px": round(g.y_px, 2),
        "crop": None if g.crop is None else g.crop.name,
        "morphology": None if g.morphology is None else g.morphology.as_dict(),
    }


def iso_time(seconds: float) -> str:
    """Return the time in ISO 8601 to the second, with the local offset, such as 2026-01-31T09:30:00+01:00."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
    return f"{stamp[:-2]}:{stamp[-2:]}"
