"""The evaluation as a JSON file and a self-contained HTML page."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_all.domain.labels import LABELS, Label
from edge_all.files.atomic_write import PUBLIC, write_atomically
from edge_all.inference.base import Engine
from edge_all.inference.contract import Contract
from edge_all_export.data.classes import BLAST, SCORED
from edge_all_export.data.classifier_samples import plain_view
from edge_all_export.evaluate import plots
from edge_all_export.evaluate.classified import ClassifiedCell, Scored, scored, two_way_threshold
from edge_all_export.evaluate.figures import Figure, figures
from edge_all_export.evaluate.smears import SmearResult

PLAIN = ("auroc", "weighted_f1", "sensitivity", "specificity")
_CHOSEN = (
    "Chosen for sensitivity on cells that the networks had not seen: at most 0.5 % of blasts are under 'normal', "
    "at most 3 % of normal cells over 'blast', at most 1 % of leukocytes over 'unfamiliar'; 'suspect', for two-way "
    "figures only, keeps 97 % of blasts."
)
_TWO_WAY = (
    "Chosen on cells of subjects that the networks had not seen: the threshold with the highest weighted F1; "
    "at most 1 % of cells are over 'unfamiliar'."
)
_KINDS = (
    "Chosen on cells of sources that the networks had not seen: at least 95 % of the blasts are over 'normal', at most "
    "3 % of the normal leukocytes over 'blast'. Two-way figures count the cells over 'normal' as suspect."
)
_NOT_CHOSEN = "Not chosen, because no groups were held out ([data] hold_out). They are the same for every network."
RESEARCH_USE = "Research use only, not a diagnosis."


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation. seen: the figures are of cells that the model was trained on."""

    title: str
    seen: bool
    figures: tuple[Figure, ...]
    groups: tuple[dict[str, Any], ...]
    values: dict[str, Any]
    scored: Scored
    worst: tuple[ClassifiedCell, ...]


def evaluation(
    engines: Sequence[Engine], classified: Sequence[ClassifiedCell], smears: Sequence[SmearResult], data: Sequence[str]
) -> Evaluation:
    """Compute the figures on unseen cells, or on all cells if there are no unseen ones, which the title then states.

    engines: those that classified, one for cells in fields, one for segmented cells. data: layout names.
    """
    known = [j for j in classified if j.cell.kind in SCORED]
    unseen = [j for j in known if not j.seen]
    # One class is enough, because a healthy smear has no blasts.
    seen = not unseen
    used = known if seen else unseen
    s = scored(used)
    # The engine that classified most cells comes first.
    engines = sorted(engines, key=lambda e: -sum(j.classification.model == e.identity for j in used))
    engine = engines[0]
    thresholds = {k: float(v) for k, v in engine.contract.thresholds.items()}
    cut = two_way_threshold(engine.contract)
    found = figures(s, seen)
    leaky = any(bool(e.contract.extra.get("leaky")) for e in engines)
    title = " and ".join(f"{e.contract.name} {e.contract.version}" for e in engines)
    if leaky:
        title = f"LEAKY split by image: {title}"
    if seen and known:
        title += ", on cells it was trained on: not a measure of quality"
    groups = tuple(_group_row(name, [j for j in known if j.group == name]) for name in _names(known))
    plain = {f.name: f.value for f in found if f.name in PLAIN}
    values = {
        **plain,
        "title": title,
        "models": [
            {"name": e.identity.name, "version": e.identity.version, "sha256": e.identity.sha256, "engine": e.name}
            for e in engines
        ],
        "leaky": leaky,
        "cells_seen_in_training": seen,
        "data": list(data),
        "blasts": int(s.is_blast.sum()),
        "normals": int((~s.is_blast).sum()),
        "left_out_because_seen": len(known) - len(used),
        "threshold": cut,
        "thresholds": {**thresholds, "suspect": cut},
        "thresholds_chosen": _how_chosen(engine.contract),
        "figures": [asdict(f) for f in found],
        "groups": list(groups),
        "other_kinds": _other_kinds(classified),
        "smears": [r.to_row() for r in smears],
        "research_use": RESEARCH_USE,
    }
    return Evaluation(title, seen, tuple(found), groups, values, s, tuple(plots.worst_cells(used)))


def _names(classified: Sequence[ClassifiedCell]) -> list[str]:
    return sorted({j.group for j in classified})


def _group_row(name: str, cells: Sequence[ClassifiedCell]) -> dict[str, Any]:
    blast = np.array([j.cell.kind == BLAST for j in cells])
    label = np.array([str(j.classification.label) for j in cells])
    right = np.array([j.is_suspect for j in cells]) == blast
    return {
        "group": name,
        "seen": cells[0].seen,
        "blasts": int(blast.sum()),
        "normals": int((~blast).sum()),
        "sensitivity": float(right[blast].mean()) if blast.any() else None,
        "specificity": float(right[~blast].mean()) if (~blast).any() else None,
        **{name: float((label == key).mean()) for key, name in _label_columns().items()},
    }


def _label_columns() -> dict[str, str]:
    """Return the column with the share of cells that got a label, by label: called_blast, unidentified ..."""
    keys = [row.key for row in LABELS.by_rank if row.is_leukocyte]
    return {key: key if key == Label.UNIDENTIFIED else f"called_{key}" for key in keys}


def _other_kinds(classified: Sequence[ClassifiedCell]) -> dict[str, dict[str, float]]:
    """Return the labels given to cells that are neither blast nor normal, by kind."""
    kinds: dict[str, dict[str, float]] = {}
    others = [j for j in classified if j.cell.kind not in SCORED]
    for kind in sorted({j.cell.kind for j in others}):
        labels = [str(j.classification.label) for j in others if j.cell.kind == kind]
        kinds[kind] = {"cells": len(labels)} | {
            f"called_{key}": sum(name == key for name in labels) / len(labels) for key in _label_columns()
        }
    return kinds


def write_evaluation(result: Evaluation, out: Path) -> None:
    """Write out/evaluation.json and out/evaluation.html, each atomically. Raises EdgeAllError when writing fails."""
    from edge_all.errors import EdgeAllError

    try:
        out.mkdir(parents=True, exist_ok=True)
        _replace(out / "evaluation.json", json.dumps(result.values, indent=1) + "\n")
        _replace(out / "evaluation.html", page(result))
    except OSError as error:
        raise EdgeAllError(
            f"cannot write to {out} ({error.strerror})", "free space, or choose another --out"
        ) from error


def _replace(path: Path, text: str) -> None:
    write_atomically(path, text.encode(), mode=PUBLIC, single_writer=True)


_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:1060px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ddd}
table{border-collapse:collapse;margin:.6em 0}td,th{padding:.2em .7em;text-align:left;border-bottom:1px solid #eee}
td.n{text-align:right;font-variant-numeric:tabular-nums}.note{color:#555}.warn{background:#fff3cd;padding:.5em .8em}
figure{display:inline-block;margin:.3em;text-align:center;font-size:.8em;vertical-align:top;max-width:170px}
img{max-width:100%}details{margin:.2em 0}
"""


def page(result: Evaluation) -> str:
    """Return the HTML page, with pictures embedded."""
    v, s = result.values, result.scored
    both = bool(s.is_blast.any() and (~s.is_blast).any())
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{_e(result.title)}</title><style>{_STYLE}</style>",
        f"<h1>{_e(result.title)}</h1><p class=warn>{RESEARCH_USE}</p>",
        f"<p>{v['blasts']} blasts and {v['normals']} normal cells of {_e(', '.join(v['data']))}; "
        f"{v['left_out_because_seen']} more were left out because the model was trained on their groups. "
        f"Models: {_e('; '.join(_described(m) for m in v['models']))}.</p>",
        "<h2>Figures</h2>" + _table(("figure", "value", "low", "high", "interval"), (
            (f.name, _n(f.value), _n(f.low), _n(f.high), f.how) for f in result.figures)),
        "<h2>Thresholds</h2><p>" + ", ".join(f"{_e(k)} {t:.4f}" for k, t in v["thresholds"].items())
        + f"</p><p class=note>{_e(v['thresholds_chosen'])}</p>",
    ]  # fmt: skip
    if len(s.is_blast):
        pictures = [plots.confusion(s), plots.reliability(s)]
        if both:
            pictures = [plots.roc(s, v["threshold"]), plots.precision_recall(s), *pictures]
        parts.append("<h2>Plots</h2>" + "".join(_img(p, "") for p in pictures))
    columns = _label_columns()
    parts.append("<h2>Each subject or series</h2>" + _table(
        ("group", "seen", "blasts", "normals", "sensitivity", "specificity",
         *(name.replace("_", " ") for name in columns.values())),
        ((g["group"], "yes" if g["seen"] else "no", g["blasts"], g["normals"], _n(g["sensitivity"]),
          _n(g["specificity"]), *(_n(g[name]) for name in columns.values()))
         for g in result.groups)))  # fmt: skip
    if v["other_kinds"]:
        parts.append("<h2>Neither blast nor normal</h2>" + _table(
            ("kind", "objects", *(name.replace("_", " ") for name in columns.values())),
            ((k, int(r["cells"]), *(_n(r[f"called_{key}"]) for key in columns))
             for k, r in v["other_kinds"].items())))  # fmt: skip
    if v["smears"]:
        parts.append("<h2>Each smear, as 'edge-all run' would print it</h2>")
        for r in v["smears"]:
            head = f"{_e(r['smear'])}: {_e(r['result'])} ({r['fields']} fields, {r['known_blasts']} known blasts)"
            rows = _table(("field", "result"), r["each"])
            parts.append(f"<details><summary>{head}</summary>{rows}</details>")
    if result.worst:
        parts.append("<h2>Worst errors</h2>")
        for j in result.worst:
            words = (
                f"{j.cell.kind}, blast probability {j.classification.blast_probability:.3f}, {j.group}, {j.cell.name}"
            )
            parts.append(f"<figure>{_img(plots.picture(plain_view(j.cell)), words)}<br>{_e(words)}</figure>")
    return "\n".join(parts) + "\n</html>\n"


def _how_chosen(contract: Contract) -> str:
    if contract.extra.get("thresholds_not_chosen"):
        return _NOT_CHOSEN
    if contract.gives_kinds:
        return _KINDS
    return _TWO_WAY if contract.extra.get("cells") == "segmented" else _CHOSEN


def _described(model: dict[str, str]) -> str:
    return f"{model['name']} {model['version']}, sha256 {model['sha256'][:16]}, {model['engine']}"


def _e(text: object) -> str:
    return html.escape(str(text))


def _n(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Any) -> str:
    body = "".join(
        "<tr>" + "".join(f"<td{' class=n' if i and len(str(c)) < 9 else ''}>{_e(c)}</td>" for i, c in enumerate(row))
        + "</tr>"
        for row in rows
    )  # fmt: skip
    return f"<table><tr>{''.join(f'<th>{_e(h)}</th>' for h in head)}</tr>{body}</table>"


def _img(data: bytes, words: str) -> str:
    return f'<img alt="{_e(words)}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'
