"""Composition root: every command that analyzes a smear gets the parts of its session here."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edge_all._version import __version__
from edge_all.cameras.base import Camera
from edge_all.hardware.malloc import keep_freed_memory
from edge_all.record.recovery.startup import start_record
from edge_all.record.rows import SessionInfo
from edge_all.record.sessions.resume import OpenSession
from edge_all.record.store import Record
from edge_all.record.write.disk_full import MOST_WAITING_BYTES
from edge_all.session.hooks import SessionHooks
from edge_all.session.lifecycle import session_to_resume
from edge_all.session.operator import operator_settings
from edge_all.session.options import SessionOptions
from edge_all.session.stages.analysis import Analysis, Models, load_models_in_use


@dataclass(frozen=True, eq=False)
class SessionParts:
    """Parts of a session that is not started yet."""

    models: Models
    record: Record
    info: SessionInfo
    """The session's row in the record."""
    opened: OpenSession | None
    """The interrupted session to resume; None to start a new one."""
    analysis: Analysis


def build_parts(camera: Camera, record_folder: Path, options: SessionOptions, hooks: SessionHooks) -> SessionParts:
    """Load the models, repair and open the record, and find the session to resume, if any.

    Raises:
        ModelError: when no model set can be loaded.
        EngineUnavailableError: when the requested engine is not available.
        RecordError: when the record cannot be opened.
        UsageError: when the options are not valid.
    """
    keep_freed_memory()
    with ExitStack() as on_error:
        models = load_models_in_use(
            options.models, options.profile, options.blast_threshold, wait_for_engine=options.wait_for_engine
        )
        on_error.callback(models.close)
        start_record(record_folder, thorough=not options.skip_integrity_check)
        record = Record.open(record_folder, most_waiting_bytes=MOST_WAITING_BYTES)
        on_error.callback(record.close)
        info = _info(camera, models, options)
        opened = session_to_resume(record, info, hooks.listener) if options.resume else None
        analysis = Analysis(
            options.profile,
            models,
            options.scale,
            camera.independent_fields,
            hooks.times,
            options.keep_all_crops,
            opened.last_number if opened else 0,
            opened.smear if opened else None,
        )
        on_error.pop_all()
        return SessionParts(models, record, info, opened, analysis)


def _info(camera: Camera, models: Models, options: SessionOptions) -> SessionInfo:
    objective = options.profile.objective
    optics = {"optics": {"objective": objective}} if objective else {}
    return SessionInfo(
        sample=options.sample,
        camera=camera.uri,
        profile=options.profile.name,
        models=models.identities,
        engine=models.classifier.engine_name,
        thresholds=models.thresholds,
        um_per_px=options.scale,
        version=__version__,
        settings=optics | operator_settings(options.operator),
    )
