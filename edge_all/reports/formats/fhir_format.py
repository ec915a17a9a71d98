"""Report as a FHIR R4 (4.0.1) bundle: DiagnosticReport, Observations, Specimen, Device, Practitioner.

It uses only elements common to R4 and R4B. The status is ``preliminary`` until a reviewer approves the session, then
``final``. The record holds no patient, so there is no subject. The receiving system links the specimen to its patient.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from edge_all.domain.labels import KINDS, LABELS, FhirCode
from edge_all.i18n.catalog import text
from edge_all.reports.cautions import count_cautions, limit_cautions
from edge_all.reports.contents import ReportContents
from edge_all.reports.formats.json_format import iso_time
from edge_all.review.differential import IN_DOUBT, Differential, Line, Share
from edge_all.session.operator import recorded_operator
from edge_all.text.display_text import shown

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
PANEL = ("69738-3", "Differential panel, method unspecified - Blood")
_SPACE = uuid.UUID("6f3f5a52-62c5-5d0c-9a57-7f5e0a3a6f0e")
"""Namespace of the resource IDs. The same session always gives the same IDs."""

Resource = dict[str, Any]


def report_fhir(c: ReportContents) -> str:
    """Return the bundle as UTF-8 JSON text."""
    return json.dumps(report_bundle(c), indent=1, ensure_ascii=False) + "\n"


def report_bundle(c: ReportContents) -> Resource:
    """Return the bundle as plain values."""
    status = "final" if c.signed else "preliminary"
    urls = {n: _url(c, n) for n in ("report", "specimen", "device", "operator", "reviewer")}
    observations = _observations(c, status, urls)
    report: Resource = {
        "resourceType": "DiagnosticReport",
        "meta": {"tag": [{"display": text("page.research")}]},
        "text": _narrative(c, status),
        "identifier": [{"value": c.session.id}],
        "status": status,
        "category": [_code("http://terminology.hl7.org/CodeSystem/v2-0074", "HM", "Hematology")],
        "code": _code(LOINC, *PANEL),
        "effectivePeriod": _period(c),
        "issued": iso_time(c.approval.time if c.approval is not None else c.made),
        "specimen": [{"reference": urls["specimen"]}],
        "result": [{"reference": url} for url, _ in observations],
        "conclusion": _conclusion(c),
    }
    operator = recorded_operator(c.session.settings)
    if operator is not None:
        for _, observation in observations:
            observation["performer"] = [{"reference": urls["operator"]}]
    entries = [(urls["report"], report), *observations]
    entries.append((urls["specimen"], _specimen(c)))
    entries.append((urls["device"], _device(c)))
    if operator is not None:
        practitioner = {"resourceType": "Practitioner", "name": [{"text": shown(operator.name)}]}
        entries.append((urls["operator"], practitioner))
    if c.approval is not None:
        report["resultsInterpreter"] = [{"reference": urls["reviewer"]}]
        name = shown(c.approval.reviewer).strip() or "name not given"
        entries.append((urls["reviewer"], {"resourceType": "Practitioner", "name": [{"text": name}]}))
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": iso_time(c.made),
        "entry": [{"fullUrl": url, "resource": resource} for url, resource in entries],
    }


def _url(c: ReportContents, name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(_SPACE, f'{c.session.id}/{name}')}"


def _code(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _coded(code: FhirCode) -> Resource:
    return {"text": code.text} if code.loinc is None else _code(LOINC, code.loinc, code.text)


def _code_of_kind(line: Line) -> Resource:
    if line.key == IN_DOUBT:
        return {"text": f"{line.label} leukocytes whose kind is in doubt per 100 leukocytes"}
    return _coded(KINDS[line.key].fhir or FhirCode(f"{line.label} leukocytes of kind {line.key} per 100 leukocytes"))


def _period(c: ReportContents) -> Resource:
    period = {"start": iso_time(c.session.begun)}
    if c.session.ended is not None:
        period["end"] = iso_time(c.session.ended)
    return period


def _observations(c: ReportContents, status: str, urls: dict[str, str]) -> list[tuple[str, Resource]]:
    after, before = c.differential.after, c.differential.before
    absent = c.is_undetermined
    reviewed = "after review" if c.differential.reviewed else "model only, not reviewed"
    made = [
        _percentage(after.share(row.key), after, _coded(row.fhir), reviewed, absent)
        for row in LABELS.leukocytes
        if row.fhir is not None
    ]
    if after.by_kind:
        made += [
            _percentage(line.share, after, _code_of_kind(line), reviewed, absent)
            for line in after.lines
            if line.key not in LABELS
        ]
    if c.differential.reviewed:
        words = "Blasts per 100 leukocytes, before review (model only)"
        made.append(_percentage(before.blasts, before, {"text": words}, "before review"))
    made.append(
        {
            "code": {"text": "Leukocytes counted"},
            "valueQuantity": {"value": after.leukocytes, "unit": "cells", "system": UCUM, "code": "{cells}"},
        }
    )
    for row in after.counted_apart:
        per_100 = after.per_100(row.key)
        if row.fhir is not None and per_100 is not None:
            quantity = _quantity(per_100, "/100 leukocytes", "/100{WBCs}")
            made.append({"code": _coded(row.fhir), "valueQuantity": quantity})
    common: Resource = {
        "category": [_code("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "Laboratory")],
        "effectivePeriod": _period(c),
        "specimen": {"reference": urls["specimen"]},
        "device": {"reference": urls["device"]},
    }
    return [
        (_url(c, f"observation-{i}"), {"resourceType": "Observation", "status": status, **common, **o})
        for i, o in enumerate(made)
    ]


def _quantity(value: float, unit: str = "%", code: str = "%") -> Resource:
    return {"value": round(value, 2), "unit": unit, "system": UCUM, "code": code}


def _percentage(share: Share, of: Differential, code: Resource, how: str, absent: bool = False) -> Resource:
    values: Resource = {
        "code": code,
        "note": [{"text": f"{share.count} of {of.leukocytes} leukocytes, {how}. {text('report_note.interval')}"}],
    }
    if absent or of.leukocytes == 0:
        values["dataAbsentReason"] = _code(
            "http://terminology.hl7.org/CodeSystem/data-absent-reason", "not-performed", "Not Performed"
        )
        return values
    values["valueQuantity"] = _quantity(share.percent)
    values["component"] = [
        {"code": {"text": "95 % interval (Wilson), low"}, "valueQuantity": _quantity(share.low)},
        {"code": {"text": "95 % interval (Wilson), high"}, "valueQuantity": _quantity(share.high)},
    ]
    return values


def _specimen(c: ReportContents) -> Resource:
    sample = shown(c.session.sample).strip()
    specimen: Resource = {
        "resourceType": "Specimen",
        "type": {"text": "Stained blood smear"},
    }
    if sample:
        specimen["identifier"] = [{"value": sample}]
    return specimen


def _device(c: ReportContents) -> Resource:
    models = "; ".join(f"{m.identity.name} {m.identity.version} sha256 {m.identity.sha256}" for m in c.models)
    return {
        "resourceType": "Device",
        "deviceName": [{"name": "edge-all", "type": "model-name"}],
        "version": [{"value": f"edge-all {shown(c.session.version, 40)}"}],
        "note": [{"text": shown(f"{models}; {c.session.engine}; profile {c.session.profile}", 1000)}],
    }


def _conclusion(c: ReportContents) -> str:
    after = c.differential.after
    s = after.blasts
    outside = c.session.counts.outside_limits
    percentage = (
        f"{s.count} of {after.leukocytes} leukocytes are counted as blasts: {s.percent:.1f} % "
        f"(95 % interval {s.low:.1f} to {s.high:.1f} %)."
    )
    parts = [
        *limit_cautions(outside),
        "The blast percentage is not determined, because no cell is labeled." if c.is_undetermined else percentage,
        *count_cautions(after, outside),
        text("page.research"),
    ]
    return " ".join(parts)


def _narrative(c: ReportContents, status: str) -> Resource:
    from html import escape

    sample = escape(shown(c.session.sample) or "no sample ID given")
    # The narrative is XHTML 1.0: text only, everything escaped.
    div = (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><p>Blood smear, sample {sample}, {status}.</p>'
        f"<p>{escape(_conclusion(c))}</p></div>"
    )
    return {"status": "generated", "div": div}
