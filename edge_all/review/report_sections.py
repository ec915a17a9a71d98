"""A report as sections of rows: the one order and wording that the page, the PDF and the csv share."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass

from edge_all.review.blast_description import BlastDescription
from edge_all.review.control_runs import ControlRun
from edge_all.review.report_contents import RESEARCH_USE, ReportContents
from edge_all.review.reviewed_differential import Agreement, Differential, Share
from edge_all.review.shown_text import shown
from edge_all.session.operator import recorded_operator

INTERVAL_NOTE = "Intervals (95 %, Wilson) cover the sampling of cells, not the error of model or reviewer."
_SHORT_PRECISION = {"float": "float32"}


@dataclass(frozen=True)
class ReportRow:
    """One line. low, high: a 95 % interval in the unit of value. All text is fit to be shown; none of it is markup."""

    item: str
    value: str
    unit: str = ""
    low: str = ""
    high: str = ""
    note: str = ""


@dataclass(frozen=True)
class ReportSection:
    """A headline and its rows."""

    title: str
    rows: tuple[ReportRow, ...]
    notes: tuple[str, ...] = ()


def report_sections(c: ReportContents) -> list[ReportSection]:
    """All of a report but its gallery, in order."""
    d = c.differential
    warnings = tuple(d.after.warnings) + ((_open_findings(d.findings_open),) if d.findings_open else ())
    how = "after review" if d.reviewed else "not reviewed"
    as_before = () if d.reviewed else ("No cell has a reviewer's verdict yet: as before.",)
    sections = [
        ReportSection("Sample", tuple(_sample(c))),
        ReportSection(
            "Result",
            (ReportRow("Model", shown(c.result, 500)), _share(d.after.share("blast"), f"Blasts, {how}")),
            warnings,
        ),
        ReportSection("Differential before review (the model alone)", tuple(_counts(d.before)), (INTERVAL_NOTE,)),
        ReportSection("Differential after review", (*_counts(d.after), *_review(c)), as_before),
    ]
    if d.agreements:
        sections.append(ReportSection("Agreement of reviewers", tuple(map(_agreement, d.agreements))))
    sections += [
        ReportSection(
            "Blasts by measurement (FAB features)", tuple(description_rows(c.description)), (c.description.note,)
        ),
        ReportSection("Quality", tuple(_quality(c))),
        ReportSection("Device, optics, calibration", tuple(_device(c))),
        ReportSection("Models", tuple(_models(c))),
        ReportSection("Signature", tuple(_signature(c)), (RESEARCH_USE,)),
    ]
    return sections


def local_time(seconds: float) -> str:
    """With the zone, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))


def _open_findings(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'} of the model not reviewed yet"


def _sample(c: ReportContents) -> Iterable[ReportRow]:
    s = c.session
    yield ReportRow("Sample", shown(s.sample) or "no id was given")
    yield ReportRow("Session", s.id)
    yield ReportRow("Begun", local_time(s.begun))
    if s.ended is None:
        yield ReportRow("Ended", "not ended: still running, or cut off")
    else:
        early = ", stopped early" if s.interrupted else ""
        yield ReportRow("Ended", f"{local_time(s.ended)} ({s.ended - s.begun:.0f} s){early}")
    operator = recorded_operator(s.settings)
    if operator is None:
        yield ReportRow("Operator", "not recorded")
    else:
        yield ReportRow("Operator", shown(operator.name), note=_proof(operator.proven))
    yield ReportRow("Report made", local_time(c.made))


def _share(s: Share, item: str) -> ReportRow:
    return ReportRow(item, f"{s.percent:.1f}", "%", f"{s.low:.1f}", f"{s.high:.1f}", f"{s.count} cells")


def _counts(d: Differential) -> Iterable[ReportRow]:
    yield ReportRow("Leukocytes", str(d.leukocytes), "cells")
    for share in d.shares:
        yield _share(share, share.name)
    for share in d.kinds:
        yield _share(share, f"normal: {share.name}")
    per_100 = "" if d.smudges_per_100 is None else f"{d.smudges_per_100:.1f} per 100 leukocytes"
    yield ReportRow("Smudges, counted apart", str(d.smudges), "cells", note=per_100)
    if d.not_cells:
        yield ReportRow("Not a cell", str(d.not_cells), "objects", note="taken out by a reviewer")


def _review(c: ReportContents) -> Iterable[ReportRow]:
    d = c.differential
    yield ReportRow("Cells reviewed", str(d.reviewed), "cells", note=f"{d.changed} of them with another label")
    for name, proven, count in c.reviewers:
        yield ReportRow(f"Reviewer {shown(name, 80)}", str(count), "verdicts", note=_proof(proven))


def _proof(proven: bool) -> str:
    return "logged in" if proven else "name given, not proven"


def _agreement(a: Agreement) -> ReportRow:
    kappa = "not defined (one label only)" if a.kappa is None else f"{a.kappa:.2f}"
    names = f"{shown(a.first, 80)} and {shown(a.second, 80)}"
    return ReportRow(names, kappa, "Cohen's kappa", note=f"{a.agreed} of {a.cells} cells alike")


def description_rows(d: BlastDescription) -> Iterable[ReportRow]:
    """Which share of the blasts fits L1, L2, L3, and by which measurements."""
    chosen = f"; {d.left_out} others not looked at: these were chosen evenly" if d.left_out else ""
    yield ReportRow("Blasts measured", str(d.measured), "cells", note=f"{d.unmeasured} could not be measured{chosen}")
    if not d.measured:
        return
    if d.median_diameter_um is not None:
        spread = "" if d.diameter_spread_um is None else f"standard deviation {d.diameter_spread_um:.1f} um"
        yield ReportRow("Cell diameter, median", f"{d.median_diameter_um:.1f}", "um", note=spread)
    for share in (*d.forms, *d.features):
        percent, low, high = (f"{100 * v:.0f}" for v in (share.cells / share.of, share.low, share.high))
        name = f"fits {share.name}" if share in d.forms else share.name
        yield ReportRow(name, percent, "%", low, high, f"{share.cells} cells: {share.rule}")


def _quality(c: ReportContents) -> Iterable[ReportRow]:
    n, q = c.session.counts, c.quality
    yield ReportRow("Fields analysed", str(n.fields), "fields", note=f"of {n.frames} frames")
    for reason, count in q.skipped:
        yield ReportRow(f"Skipped: {shown(reason, 80)}", str(count), "frames")
    for reason, count in q.warned:
        yield ReportRow(f"Analysed in spite of: {shown(reason, 80)}", str(count), "fields")
    if q.sharpness is not None:
        low, middle, high = q.sharpness
        yield ReportRow("Sharpness, median", f"{middle:.2f}", note=f"{low:.2f} to {high:.2f}; 1 is in focus")
    if q.gaps:
        longest = max(g.seconds for g in q.gaps)
        yield ReportRow("Camera gaps", str(len(q.gaps)), "gaps", note=f"the longest {longest:.1f} s")
    else:
        yield ReportRow("Camera gaps", "none", note="by the frames' times")
    yield _control(c.control)


def _control(run: ControlRun | None) -> ReportRow:
    if run is None:
        return ReportRow("Last control slide", "none was run before this session")
    reasons = "; ".join(shown(r, 120) for r in run.reasons)
    return ReportRow(
        "Last control slide", run.verdict, note=f"{shown(run.name, 80)}, {local_time(run.time)}; {reasons}".rstrip("; ")
    )


def _device(c: ReportContents) -> Iterable[ReportRow]:
    s, q = c.session, c.quality
    yield ReportRow("Profile", shown(s.profile))
    yield ReportRow("Camera", shown(s.camera))
    optics = s.settings.get("optics")
    if isinstance(optics, dict) and optics.get("objective"):
        yield ReportRow("Objective", shown(optics["objective"], 80))
    yield ReportRow("Report made on", shown(platform.node(), 80), note=f"{platform.system()} {platform.machine()}")
    yield ReportRow("Program", f"edge-all {shown(s.version, 40)}")
    sources = ", ".join(f"{name} ({count} fields)" for name, count in q.scale_sources) or "no field was analysed"
    yield ReportRow("Calibration", sources)
    if q.scale_um_per_px is not None:
        low, middle, high = q.scale_um_per_px
        yield ReportRow("Scale, median", f"{middle:.4f}", "um per px", note=f"{low:.4f} to {high:.4f}")


def _models(c: ReportContents) -> Iterable[ReportRow]:
    for m in c.models:
        name = shown(m.identity.name, 80)
        yield ReportRow(name, f"version {shown(m.identity.version, 40)}")
        yield ReportRow(f"{name}: sha256", shown(m.identity.sha256, 64))
        yield ReportRow(f"{name}: training data", shown(m.training_data, 800))
        yield ReportRow(f"{name}: not seen in training", shown(m.unseen_groups, 800))
        yield ReportRow(f"{name}: known limits", shown(m.known_limits, 1200))
    yield _engine("Engine at the begin", c.session.engine)
    for engine, sha256, count in c.engines:
        if (engine, len(c.engines)) != (c.session.engine, 1):
            yield _engine(f"Judged {count} cells", engine)
            yield ReportRow("by the file with sha256", shown(sha256, 64))
    t = c.session.thresholds
    yield ReportRow("Threshold: blast from", f"{t.blast:.3f}", "probability")
    yield ReportRow("Threshold: normal under", f"{t.normal:.3f}", "probability")
    yield ReportRow("Threshold: unfamiliar from", f"{t.unfamiliar:.3f}", "unfamiliarity")


def _engine(item: str, name: str) -> ReportRow:
    engine = shown(name, 80)
    precision = engine.split()[-1] if engine else ""
    return ReportRow(item, engine, note=f"precision {_SHORT_PRECISION.get(precision, precision)}")


def _signature(c: ReportContents) -> Iterable[ReportRow]:
    a = c.approval
    if a is None:
        yield ReportRow("Status", "preliminary: not signed")
        yield ReportRow("Signed by", "")
        return
    yield ReportRow("Status", "final: approved")
    yield ReportRow("Signed by", shown(a.reviewer), note=_proof(a.proven))
    yield ReportRow("Signed", local_time(a.time))
    if a.note:
        yield ReportRow("Note", shown(a.note, 500))
