"""Report as sections of rows. HTML, PDF and CSV share this order and wording."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable

from edge_all.i18n.catalog import text
from edge_all.qc.control_runs import ControlRun
from edge_all.reports.cautions import count_cautions, limit_cautions
from edge_all.reports.contents import ReportContents
from edge_all.reports.differential_rows import agreement_rows, differential_rows, model_agreement_rows, share_row
from edge_all.reports.fab_features import BlastDescription
from edge_all.reports.rows import ReportRow, ReportSection
from edge_all.session.calibration import recorded_adaptation
from edge_all.session.operator import recorded_operator
from edge_all.text.display_text import shown

_SHORT_PRECISION = {"float": "float32"}


def report_sections(c: ReportContents) -> list[ReportSection]:
    """Return all sections of a report in order, without the gallery."""
    d = c.differential
    blasts = text("report_row.blasts_reviewed") if d.reviewed else text("report_row.blasts_not_reviewed")
    outside = c.session.counts.outside_limits
    as_before = () if d.reviewed else (text("report_note.as_before"),)
    sections = [
        ReportSection("sample", tuple(_sample(c))),
        ReportSection(
            "result",
            (
                *(ReportRow(text("report_row.caution"), sentence) for sentence in limit_cautions(outside)),
                ReportRow(text("report_row.model"), shown(c.result, 500)),
                ReportRow(blasts, text("report_value.not_determined"))
                if c.is_undetermined
                else share_row(d.after.blasts, blasts),
            ),
            (*count_cautions(d.after, outside), *_open_findings(d.findings_open)),
        ),
        ReportSection("before", tuple(differential_rows(d.before)), (text("report_note.interval"),)),
        ReportSection("after", (*differential_rows(d.after), *_review(c)), as_before),
    ]
    if d.model_agreement is not None:
        rows = tuple(model_agreement_rows(d.model_agreement))
        sections.append(ReportSection("model_agreement", rows, (text("report_note.model_agreement"),)))
    if d.agreements:
        sections.append(ReportSection("agreement", tuple(row for a in d.agreements for row in agreement_rows(a))))
    sections += [
        ReportSection("description", tuple(description_rows(c.description)), (c.description.note,)),
        ReportSection("quality", tuple(_quality(c))),
        ReportSection("device", tuple(_device(c))),
        ReportSection("models", tuple(_models(c))),
        ReportSection("signature", tuple(_signature(c)), (text("page.research"),)),
    ]
    return sections


def local_time(seconds: float) -> str:
    """Return the local time to the second, with its zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))


def _open_findings(count: int) -> Iterable[str]:
    if count:
        yield text("report_note.one_open") if count == 1 else text("report_note.open", count=count)


def _sample(c: ReportContents) -> Iterable[ReportRow]:
    s = c.session
    yield ReportRow(text("report_row.sample"), shown(s.sample) or text("report_value.no_sample"))
    yield ReportRow(text("report_row.session"), s.id)
    yield ReportRow(text("report_row.begun"), local_time(s.begun))
    if s.ended is None:
        ended = text(f"unended.{c.unended}")
    else:
        values = {"time": local_time(s.ended), "seconds": f"{s.ended - s.begun:.0f}"}
        ended = text("report_value.ended_early", **values) if s.interrupted else text("report_value.ended", **values)
    yield ReportRow(text("report_row.ended"), ended)
    operator = recorded_operator(s.settings)
    if operator is None:
        yield ReportRow(text("report_row.operator"), text("report_value.not_recorded"))
    else:
        yield ReportRow(text("report_row.operator"), shown(operator.name), note=_proof(operator.proven))
    yield ReportRow(text("report_row.made"), local_time(c.made))


def _review(c: ReportContents) -> Iterable[ReportRow]:
    d = c.differential
    note = text("report_note.changed", count=d.changed)
    yield ReportRow(text("report_row.reviewed"), str(d.reviewed), text("report_unit.cells"), note=note)
    for name, proven, count in c.reviewers:
        item = text("report_row.reviewer", name=shown(name, 80))
        yield ReportRow(item, str(count), text("report_unit.verdicts"), note=_proof(proven))


def _proof(proven: bool) -> str:
    return text("report_note.proven") if proven else text("report_note.unproven")


def description_rows(d: BlastDescription) -> Iterable[ReportRow]:
    """Return rows with the shares of blasts that fit L1, L2 and L3, and the measurements behind them."""
    if d.left_out:
        note = text("report_note.unmeasured_chosen", count=d.unmeasured, left=d.left_out)
    else:
        note = text("report_note.unmeasured", count=d.unmeasured)
    yield ReportRow(text("report_row.measured"), str(d.measured), text("report_unit.cells"), note=note)
    if not d.measured:
        return
    if d.median_diameter_um is not None:
        spread = d.diameter_spread_um
        note = "" if spread is None else text("report_note.spread", um=f"{spread:.1f}")
        yield ReportRow(text("report_row.diameter"), f"{d.median_diameter_um:.1f}", "um", note=note)
    for share in (*d.forms, *d.features):
        percent, low, high = (f"{100 * v:.0f}" for v in (share.cells / share.of, share.low, share.high))
        item = text("report_row.fits", form=share.name) if share in d.forms else text(f"feature.{share.name}")
        yield ReportRow(item, percent, "%", low, high, text("report_note.rule", count=share.cells, rule=share.rule))


def _quality(c: ReportContents) -> Iterable[ReportRow]:
    n, q = c.session.counts, c.quality
    fields, frames = text("report_unit.fields"), text("report_unit.frames")
    yield ReportRow(text("report_row.fields"), str(n.fields), fields, note=text("report_note.frames", count=n.frames))
    for reason, count in q.skipped:
        yield ReportRow(text("report_row.skipped", reason=shown(reason, 80)), str(count), frames)
    for reason, count in q.warned:
        yield ReportRow(text("report_row.warned", reason=shown(reason, 80)), str(count), fields)
    if q.sharpness is not None:
        low, middle, high = (f"{v:.2f}" for v in q.sharpness)
        note = text("report_note.sharpness", low=low, high=high)
        yield ReportRow(text("report_row.sharpness"), middle, note=note)
    if q.gaps:
        longest = text("report_note.longest", seconds=f"{max(g.seconds for g in q.gaps):.1f}")
        unit = text("report_unit.one_gap") if len(q.gaps) == 1 else text("report_unit.gaps")
        yield ReportRow(text("report_row.gaps"), str(len(q.gaps)), unit, note=longest)
    else:
        yield ReportRow(text("report_row.gaps"), text("report_value.none"), note=text("report_note.by_times"))
    yield _control(c.control)


def _control(run: ControlRun | None) -> ReportRow:
    item = text("report_row.control")
    if run is None:
        return ReportRow(item, text("report_value.no_control"))
    reasons = "; ".join(shown(r, 120) for r in run.reasons)
    return ReportRow(item, run.verdict, note=f"{shown(run.name, 80)}, {local_time(run.time)}; {reasons}".rstrip("; "))


def _device(c: ReportContents) -> Iterable[ReportRow]:
    s, q = c.session, c.quality
    yield ReportRow(text("report_row.profile"), shown(s.profile))
    yield ReportRow(text("report_row.camera"), shown(s.camera))
    optics = s.settings.get("optics")
    if isinstance(optics, dict) and optics.get("objective"):
        yield ReportRow(text("report_row.objective"), shown(optics["objective"], 80))
    machine = f"{platform.system()} {platform.machine()}"
    yield ReportRow(text("report_row.made_on"), shown(platform.node(), 80), note=machine)
    yield ReportRow(text("report_row.program"), f"edge-all {shown(s.version, 40)}")
    sources = ", ".join(text("report_value.fields_by", source=name, fields=n) for name, n in q.scale_sources)
    yield ReportRow(text("report_row.calibration"), sources or text("report_value.no_field"))
    adaptation = recorded_adaptation(s.settings)
    if adaptation is not None:
        note = text("report_note.adapted", cells=adaptation.cells, smears=adaptation.smears)
        effect = shown(adaptation.effect, 300)
        yield ReportRow(text("report_row.cells_calibration"), shown(adaptation.id, 16), note=f"{note}; {effect}")
    if q.scale_um_per_px is not None:
        low, middle, high = (f"{v:.4f}" for v in q.scale_um_per_px)
        note = text("report_note.range", low=low, high=high)
        yield ReportRow(text("report_row.scale"), middle, text("report_unit.scale"), note=note)


def _models(c: ReportContents) -> Iterable[ReportRow]:
    for m in c.models:
        name = shown(m.identity.name, 80)
        yield ReportRow(name, text("report_value.version", version=shown(m.identity.version, 40)))
        yield ReportRow(text("report_row.sha256", model=name), shown(m.identity.sha256, 64))
        yield ReportRow(text("report_row.training_data", model=name), shown(m.training_data, 800))
        yield ReportRow(text("report_row.unseen", model=name), shown(m.unseen_groups, 800))
        yield ReportRow(text("report_row.limits", model=name), shown(m.known_limits, 1200))
    yield _engine(text("report_row.engine"), c.session.engine)
    for engine, sha256, count in c.engines:
        if (engine, len(c.engines)) != (c.session.engine, 1):
            yield _engine(text("report_row.judged", count=count), engine)
            yield ReportRow(text("report_row.judged_file"), shown(sha256, 64))
    t, probability = c.session.thresholds, text("report_unit.probability")
    yield ReportRow(text("report_row.threshold_blast"), f"{t.blast:.3f}", probability)
    yield ReportRow(text("report_row.threshold_normal"), f"{t.normal:.3f}", probability)
    if t.unfamiliar < 1:
        unfamiliarity = text("report_unit.unfamiliarity")
        yield ReportRow(text("report_row.threshold_unfamiliar"), f"{t.unfamiliar:.3f}", unfamiliarity)
    else:
        yield ReportRow(text("report_row.threshold_kind"), f"{t.kind:.3f}", text("report_unit.share_of_kinds"))


def _engine(item: str, name: str) -> ReportRow:
    engine = shown(name, 80)
    precision = engine.split()[-1] if engine else ""
    note = text("report_note.precision", precision=_SHORT_PRECISION.get(precision, precision))
    return ReportRow(item, engine, note=note)


def _signature(c: ReportContents) -> Iterable[ReportRow]:
    a = c.approval
    if a is None:
        yield ReportRow(text("report_row.status"), text("report_value.not_signed"))
        yield ReportRow(text("report_row.signed_by"), "")
        return
    yield ReportRow(text("report_row.status"), text("report_value.signed"))
    yield ReportRow(text("report_row.signed_by"), shown(a.reviewer), note=_proof(a.proven))
    yield ReportRow(text("report_row.signed"), local_time(a.time))
    if a.note:
        yield ReportRow(text("report_row.note"), shown(a.note, 500))
