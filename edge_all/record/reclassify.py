"""Record a new classification of a cell whose position and picture stay the same."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from edge_all.domain.types import Reclassified
from edge_all.record.db.checksums import COLUMN
from edge_all.record.store import Record
from edge_all.record.write.cell_row import classification_values
from edge_all.record.write.crop_file import with_row
from edge_all.record.write.files import write_files


def reclassify(record: Record, session: str, cells: Sequence[Reclassified]) -> None:
    """Write new classifications of cells that are in the record; on disk when this returns.

    The crops are rewritten too because each contains its row.
    """
    if not cells:
        return
    for cell in cells:
        j = cell.classification
        record.queue(
            "UPDATE cell SET label = ?, blast_probability = ?, unfamiliarity = ?, threshold_blast = ?, "
            "threshold_normal = ?, threshold_unfamiliar = ?, model_name = ?, model_version = ?, model_sha256 = ?, "
            "engine = ?, views = ? WHERE session = ? AND number = ?",
            (
                str(j.label),
                *classification_values(j),
                cell.views,
                session,
                cell.number,
            ),
        )
    record.flush()
    for cell in cells:
        _renew_crop(record, session, cell.number)


def _renew_crop(record: Record, session: str, number: int) -> None:
    query = "SELECT * FROM cell WHERE session = ? AND number = ? AND crop IS NOT NULL"
    for row in record.mappings(query, (session, number)):
        path = record.folder / str(row["crop"])
        row.pop(COLUMN)
        carried = {"cell": row.pop("number"), **row}
        with contextlib.suppress(OSError):  # the row is safe, and an outdated crop on a full disk shows the same cell
            write_files([(path, with_row(path.read_bytes(), carried))], set())
