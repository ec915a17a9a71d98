"""The model card that travels with the files."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import onnx

from edge_all.inference.contract import Contract
from edge_all_export.models.contracts import model_name
from edge_all_export.models.onnx_session import to_bytes
from edge_all_export.models.registry import family_of
from edge_all_export.onnx_export.contracts import contract_of

if TYPE_CHECKING:
    from edge_all_export.models.checkpoint import Checkpoint
    from edge_all_export.onnx_export.parity import Parity

_SETS = {
    "allidb1": "ALL-IDB1 and ALL-IDB2 (University of Milan; research use, no redistribution)",
    "bccd": "BCCD (MIT license)",
    "cnmc": "C-NMC 2019 (The Cancer Imaging Archive, CC BY 3.0)",
    "deepapl": "leukemia patients of Johns Hopkins (Sidhom et al. 2021; no license grant)",
    "deepbionet": "Bio-net (2024; no license, citation requested)",
    "draaslan": "the leukocyte fields of Aslan (Kaggle, MIT license)",
    "jtsc_cellavision": "single cells of Zheng et al. 2018, CellaVision (from a GPL-3 repository)",
    "jtsc_tecom": "single cells of Zheng et al. 2018, Tecom (from a GPL-3 repository)",
    "lisc": "LISC (Tehran; license not stated)",
    "pbc": "PBC (Barcelona, Acevedo et al. 2020, CC BY 4.0)",
    "pbc_kinds": "further cells of PBC (CC BY 4.0)",
    "raabin": "Raabin-WBC by way of TXL-PBC (MIT license)",
    "simulator": "the simulator of this project",
}
"""Published name and license state of each source."""
_USE = {
    "detector": "Detects leukocytes and smudges in fields of stained blood smears under a 100x objective.",
    "classifier": "Distinguishes lymphoblasts of acute lymphoblastic leukemia from normal leukocytes, cell by cell, "
    "and reports how unfamiliar a cell looks.",
    "kinds": "Gives each detected cell a probability for each of ten kinds: blasts, six kinds of normal leukocytes, "
    "erythroblasts, smudges, and artifacts.",
}
_LIMITS = {
    "detector": "Trained on thin, stained smears near the monolayer; thick areas, other stains and other objectives "
    "were not seen. Cells cut by the field's edge may be missed.",
    "classifier": "On a new bench all probabilities may be shifted, so check the thresholds on known smears first. "
    "Erythroblasts, reactive lymphocytes and blasts of myeloid leukemia were rarely or never seen. One cell proves "
    "nothing.",
    "kinds": "The order of cells carries over to a new bench better than the level of their probabilities, so check "
    "the thresholds on known smears first. Myeloid blasts are like monocytes; in training, they come from one "
    "scanner, as do most smudges. The labels of eosinophils, basophils, platelets and rare kinds of the leukemia "
    "patients are routine labels with errors. Coarse or wrongly scaled pictures change kinds, because size is a sign "
    "of the kind. "
    "Cells cut out of their surroundings are not for this network. One cell proves nothing.",
}
_FEW_CELLS = "ALL-IDB1 has 321 blasts of 3 series and few normal cells."
_ONLY_CUT_OUT = (
    "Trained only on cells that were cut out of their surroundings (black around them), which no microscope shows; it "
    "is not for cells in fields."
)


def model_card(
    checkpoint: Checkpoint, made: Mapping[str, onnx.ModelProto], report: Sequence[Parity], figures: Sequence[str] = ()
) -> str:
    """Return the model card as Markdown.

    made: precision -> model; "float" must be among them. report: gate results of the other precisions. figures: lines
    of Markdown about the accuracy of the network.
    """
    contract = contract_of(made["float"], family_of(checkpoint).task)
    sources = [_SETS.get(s, s) for s in contract.training_data]
    unseen = (
        ", ".join(checkpoint.unseen_groups)
        or "no groups (figures from networks of the same recipe, each trained without some groups)"
    )
    files = [f"| `{name}.onnx` | {len(to_bytes(model)) / 1e6:.2f} MB |" for name, model in made.items()]
    parity = [
        f"| {p.precision} | {c.name} | {c.before:.4f} | {c.after:.4f} | {c.allowed} |" for p in report for c in p.checks
    ]
    thresholds = ", ".join(f"{k} {v:.4f}" for k, v in contract.thresholds.items())
    parts = [
        f"# {contract.name} {contract.version}, the {model_name(contract)}",
        "",
        _wrapped(f"{_USE[_form(contract)]} Research use only: it assists a qualified person and is not a diagnosis."),
        "",
        _wrapped(f"- Trained on {'; '.join(sources)}."),
        _wrapped(f"- Groups it has not seen: {unseen}."),
        _wrapped(f"- Recipe `{checkpoint.recipe_name}`, sha256 {checkpoint.recipe_sha256[:16]}; data, sha256 "
                 f"{checkpoint.data_sha256[:16]}."),
        _wrapped(f"- Input: RGB, uint8, N x H x W x 3, {contract.um_per_px} um per pixel"
                 + (f", {contract.input_px} px square" if contract.input_px else ", sides multiples of 16")
                 + f". Outputs: {', '.join(contract.outputs)}."),
        _wrapped(f"- Thresholds: {thresholds}{_how_chosen(contract)}."),
        _wrapped(f"- Known limits: {known_limits(contract)}"),
        "",
        "| file | size |", "|---|---|", *files, "",
    ]  # fmt: skip
    if checkpoint.leaky:
        parts.insert(1, "\n**Trained with a split by image (leaky): figures made from it are meaningless.**")
    if figures:
        parts += [*figures, ""]
    if parity:
        parts += [
            "| precision | on unseen groups | float | this file | allowed |",
            "|---|---|---|---|---|",
            *parity,
            "",
        ]
    return "\n".join(parts)


def _form(contract: Contract) -> str:
    return "kinds" if contract.gives_kinds else contract.task


def _how_chosen(contract: Contract) -> str:
    sources = contract.extra.get("threshold_sources")
    if not sources:
        return ""
    return f"; temperature {contract.extra['temperature']:.2f}; chosen on left-out cells of {', '.join(sources)}"


def known_limits(contract: Contract) -> str:
    """Return the known limits of a network by its form and the sources that it was trained on."""
    form, sources = _form(contract), contract.training_data
    limits = [_LIMITS[form]]
    if form == "classifier" and "allidb1" in sources:
        limits.insert(0, _FEW_CELLS)
    if form == "classifier" and set(sources) == {"cnmc"}:
        limits.insert(0, _ONLY_CUT_OUT)
    return " ".join(limits)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 116, subsequent_indent="  " if text.startswith("- ") else "", break_on_hyphens=False)
