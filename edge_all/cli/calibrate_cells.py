"""Command 'edge-all calibrate cells': adapt the classifier to one bench from reviewed sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_all.cli.options.calibrated_camera import identity_by_uri
from edge_all.cli.options.common import plain, record_option
from edge_all.cli.options.models import models_folder, models_option
from edge_all.domain.plural import counted

if TYPE_CHECKING:
    from edge_all.calibrate.cells import Network
    from edge_all.calibration.store import CalibrationStore


@click.command("cells")
@click.argument("sessions", metavar="SESSION...", nargs=-1)
@click.option("--camera", "camera_uri", metavar="URI", help="Camera to adapt. Default: that of the sessions.")
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="Profile whose camera --remove uses by default.")
@click.option("--remove", "removes", is_flag=True, help="Remove the adaptation of the camera instead.")
@click.option("--json", "as_json", is_flag=True, help="Print the adaptation as JSON.")
@models_option
@record_option
def cells(
    sessions: tuple[str, ...],
    camera_uri: str | None,
    profile_name: str | None,
    removes: bool,
    as_json: bool,
    models: str | None,
    record: str | None,
) -> int:
    """Adapt the classifier to this microscope from reviewed sessions.

    About 100 verdicts of three smears suffice, with blasts and other cells on at least two of them. The adaptation is
    accepted only if it helps on smears held out. Thresholds stay those of the model.

    \b
    Example:
      edge-all calibrate cells 20260131-093000-ab12 20260131-101500-cd34 20260131-114200-ef56
      edge-all calibrate cells --remove --camera v4l2:/dev/video0
    """
    from edge_all.calibrate.cells import adapt
    from edge_all.calibration.serialization import part_to_json
    from edge_all.calibration.store import CalibrationStore
    from edge_all.errors import CalibrationError, UsageError
    from edge_all.record.location import record_folder
    from edge_all.record.store import Record
    from edge_all.review.reviewed_cells import camera_of_sessions, reviewed_cells

    store = CalibrationStore()
    if removes:
        if sessions:
            raise UsageError("--remove takes no sessions", "leave them out")
        return _remove(store, camera_uri, profile_name)
    if not sessions:
        raise UsageError("no sessions are named", "name reviewed sessions; 'edge-all sessions' lists them")
    store.check_writable()
    network = _network(models_folder(models))
    with Record.open(record_folder(record), create=False) as opened:
        camera = camera_of_sessions(opened, sessions)
        named = None if camera_uri is None else identity_by_uri(store, camera_uri)
        if named is not None and named != camera:
            raise CalibrationError(
                f"the sessions are of camera {camera}, not of {named}",
                "name sessions of this camera, or leave out --camera",
            )
        reviewed = reviewed_cells(opened, sessions, network.models)
    adaptation = adapt(reviewed, network)
    path = store.save(store.load(camera).with_part(adaptation))
    if as_json:
        content = {k: v for k, v in part_to_json(adaptation).items() if k not in ("weights", "bias")}
        click.echo(json.dumps({"camera": camera, "file": str(path), **content}))
        return 0
    click.echo(f"Camera        {plain(camera)}")
    click.echo(
        f"Cells         adaptation {adaptation.id} of {adaptation.model}, from "
        f"{counted(adaptation.cells, 'reviewed cell')} of {counted(adaptation.smears, 'smear')}"
    )
    click.echo(f"Effect        {adaptation.effect}")
    click.echo(f"Stored in     {path}")
    return 0


def _remove(store: CalibrationStore, camera_uri: str | None, profile_name: str | None) -> int:
    from edge_all.errors import CalibrationError
    from edge_all.profile import load_profile

    camera = identity_by_uri(store, camera_uri or load_profile(profile_name).camera)
    stored = store.load(camera)
    if stored.cells is None:
        raise CalibrationError(
            f"{plain(camera)} has no calibration of cells",
            "name its camera with --camera; 'edge-all calibrate show' lists the calibrations",
        )
    store.save(stored.without("cells"))
    click.echo(f"Removed for {plain(camera)}: cells {stored.cells.id}")
    return 0


def _network(folder: Path | None) -> Network:
    """Return the network to adapt, with the identities of all of its files."""
    from edge_all.calibrate.cells import Network
    from edge_all.cells.classifier import thresholds_of
    from edge_all.cells.kinds import decide_kind
    from edge_all.domain.labels import MODEL_KINDS
    from edge_all.errors import CalibrationError
    from edge_all.inference.onnx_file import read_model_file
    from edge_all.modelstore.installed import models_in_use

    classifier = (folder or models_in_use()) / "classifier"
    main = read_model_file(classifier / "float.onnx", "classifier")
    if not main.contract.gives_kinds:
        raise CalibrationError(
            f"the classifier {main.identity.name} {main.identity.version} gives no kinds and cannot be adapted",
            "use a model that gives the kind of each cell",
        )
    files = [read_model_file(path, "classifier") for path in sorted(classifier.glob("*.onnx"))]
    thresholds = thresholds_of(main.contract)
    return Network(
        MODEL_KINDS,
        tuple(file.identity.sha256 for file in files),
        f"{main.identity.name} {main.identity.version}",
        lambda p: decide_kind(p.tolist(), thresholds)[:2],
    )
