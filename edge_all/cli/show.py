"""Command 'edge-all show': show one session and draw its findings, or its most suspicious cells."""

from __future__ import annotations

import time

import click

from edge_all.cli.options.common import RESEARCH_USE, plain, record_option
from edge_all.domain.plural import counted


@click.command("show")
@click.argument("session_id", metavar="ID|last", default="last")
@click.option("--png", metavar="FILE", help="Write a contact sheet of these cells to FILE, or the field of --field.")
@click.option(
    "--field",
    "frame_index",
    type=click.IntRange(0),
    metavar="INDEX",
    help="Draw this frame with boxes around its cells.",
)
@record_option
def command(session_id: str, png: str | None, frame_index: int | None, record: str | None) -> int:
    """Show the counts, result, models and findings of one session, or its most suspicious cells.

    \b
    Example:
      edge-all show last --png findings.png
      edge-all show last --field 8 --png field.png
    """
    from edge_all.cli.output.camera_events import camera_line
    from edge_all.cli.output.files import file_to_write, require_png, write_asked
    from edge_all.cli.output.summary import count_lines, label_and_kind, threshold_line
    from edge_all.domain.reading_order import position, worth_a_look
    from edge_all.domain.statistics import result_words
    from edge_all.errors import UsageError
    from edge_all.record.events.camera import camera_events
    from edge_all.record.events.incidents import doubts
    from edge_all.record.location import record_folder
    from edge_all.record.sessions.lock import unended_in_words
    from edge_all.record.store import Record
    from edge_all.session.calibration import recorded_adaptation
    from edge_all.session.operator import recorded_operator

    if frame_index is not None and png is None:
        raise UsageError("--field requires an output file", "add --png FILE")
    file = None if png is None else file_to_write(png)
    if file is not None:
        require_png(file)
    with Record.open(record_folder(record), create=False) as opened:
        session = opened.session(session_id)
        # Before anything is printed, because it raises if no picture was saved.
        field_picture = None if frame_index is None else opened.field_picture(session.id, frame_index)
        cells = opened.cells(session.id)
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(session.begun))
        ended = (
            unended_in_words(opened.folder, session.id)
            if session.ended is None
            else f"{session.ended - session.begun:.1f} s"
        )
        click.echo(
            f"Session       {session.id}, started {started}, {ended}{', stopped early' if session.interrupted else ''}"
        )
        click.echo(f"Sample        {plain(session.sample) or '-'}")
        if operator := recorded_operator(session.settings):
            click.echo(f"Operator      {plain(operator.name)}{'' if operator.proven else ' (name not authenticated)'}")
        click.echo(f"Camera        {plain(session.camera)}, profile {plain(session.profile)}")
        for event in camera_events(opened, session.id):
            if line := camera_line(session.camera, event):
                click.echo(f"              {time.strftime('%H:%M:%S', time.localtime(event.time))} {line}")
        calibrated = session.settings.get("calibration", {}).get("scale", {}).get("um_per_px")
        scale = "measured from erythrocytes" if session.um_per_px is None else f"{session.um_per_px:g} um per px"
        if calibrated is not None:
            scale = f"calibrated, {calibrated:.4g} um per px"
        click.echo(f"Scale         {scale}")
        if adaptation := recorded_adaptation(session.settings):
            click.echo(f"Calibration   cells {plain(adaptation.id)}: {plain(adaptation.effect)}")
        for line in count_lines(session.counts):
            click.echo(line)
        click.echo(f"Result        {session.result or result_words(session.counts)}")
        for doubt in doubts(opened, session.id):
            click.echo(f"In doubt      {doubt}")
        for model in session.models:
            click.echo(f"Model         {model.name} {model.version} sha256 {model.sha256}")
        click.echo(f"Engine        {session.engine}, edge-all {session.version}")
        click.echo(threshold_line(session.thresholds))
        labeled = (c for c in cells if not c["reason"])
        listed = worth_a_look(labeled, lambda c: position(c["label"], c["kind"], c["blast_probability"], c["cell"]))
        names = [label_and_kind(c["label"], c["kind"]) for c in listed]
        width = max(12, *map(len, names), 0) + 1
        for name, c in zip(names, listed, strict=True):
            click.echo(
                f"  {name:<{width}}{c['blast_probability']:.3f}  frame {c['frame_index']} {plain(c['frame'])}  "
                f"x {c['x_px']:.0f} y {c['y_px']:.0f} px  cell {c['cell']}"
            )
        click.echo(RESEARCH_USE)
        if file is not None:
            from edge_all.drawing.contact_sheet import contact_sheet, field_with_boxes
            from edge_all.record.queries import cells_elsewhere

            if frame_index is None or field_picture is None:
                picture = contact_sheet(opened.folder, listed)
                if missing := sum(not c["crop"] for c in listed):
                    click.echo(f"No picture of {counted(missing, 'cell')}; to keep all, use 'edge-all run --crops all'")
            else:
                in_frame = [c for c in cells if c["frame_index"] == frame_index]
                elsewhere = cells_elsewhere(opened, session.id, frame_index)
                picture = field_with_boxes(field_picture, in_frame, elsewhere)
                cell_words = counted(len(in_frame), "cell")
                click.echo(
                    f"Frame {frame_index}: {cell_words} counted in it"
                    + (
                        f"; {len(elsewhere)} more are visible in this field and were counted in another frame (dashed)"
                        if elsewhere
                        else ""
                    )
                )
            write_asked(file, picture)
            click.echo(f"Written to {png}")
    return 0
