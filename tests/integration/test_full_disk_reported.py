"""A disk that is full for a while in the middle of a session, as reported by 'edge-all run'."""

import pytest

from edge_all.cameras.opening import open_camera
from edge_all.cli.output.progress import ProgressPrinter
from edge_all.cli.output.summary import summary_lines
from edge_all.record import store as module
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session
from edge_all.web.live.live_view import LiveView
from tests.helpers.refusing_disk import refuse_pictures

FEW = "sim:?seed=9&fields=9&frames_per_field=1&step=1.3&blast_fraction=0.5&cells=5"


@pytest.mark.parametrize("room_comes", [True, False], ids=["room comes", "no room to the end"])
def test_the_start_the_end_and_the_losses_are_reported(tmp_path, monkeypatch, capsys, room_comes):
    full = refuse_pictures(monkeypatch, OSError(28, "No space left on device"))
    monkeypatch.setattr(module, "encode_crop", lambda *_: bytes(150_000))  # of which few may wait
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    monkeypatch.setattr("edge_all.session.builder.MOST_WAITING_BYTES", 2_500_000)
    live = LiveView()
    with (
        open_camera(FEW) as camera,
        Session(camera, tmp_path, SessionOptions(keep_all_crops=True)) as session,
        ProgressPrinter(None, log_json=False) as printer,
    ):

        def tell(progress):
            printer(progress)
            live.take(progress)
            if progress.counts.fields == 2:
                full.append(True)
            if progress.disk.left_out and room_comes:
                full.clear()
            elif progress.disk.left_out:
                session.stop()

        summary = session.run(tell)
    said = [line for line in capsys.readouterr().err.splitlines() if "disk" in line]
    lost = summary.pictures_left_out
    assert lost > 0
    assert summary.unsaved_counts is None
    assert "the disk of the record is full: " in said[0]
    assert (
        said[-1] == f"all rows waiting for space on the record's disk have been written; {lost} pictures were not saved"
    )
    assert len(said) == 2, said
    assert f"Not saved     {lost} pictures could not be written; the cells were recorded" in summary_lines(summary)
    if room_comes:
        assert summary.error is None
        assert "unreadable" not in live.counts().gate
    else:
        assert "is full" in str(summary.error)
