"""Count the leukocytes of a folder of smear fields, and print the findings as they come.

python examples/count_folder.py FOLDER RECORD
"""

import sys
from pathlib import Path

import edge_all
from edge_all.session.progress import Progress


def print_findings(progress: Progress) -> None:
    """Print the findings of a field; called when they are on disk."""
    for cell in progress.findings:
        print(f"{cell.label} in {progress.source} at {cell.detection.x_px:.0f}, {cell.detection.y_px:.0f}")


def main() -> None:
    """Open a camera, run one session, print its result."""
    if len(sys.argv) != 3:
        sys.exit("python examples/count_folder.py FOLDER RECORD")
    folder, record = sys.argv[1], Path(sys.argv[2])
    options = edge_all.SessionOptions(sample="example")
    with edge_all.open_camera(folder) as camera, edge_all.Session(camera, record, options) as session:
        summary = session.run(print_findings)
    print(f"{summary.counts.leukocytes} cells: {summary.result}. Research use only, not a diagnosis.")


if __name__ == "__main__":
    main()
