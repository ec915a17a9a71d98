"""Options shared by the workstation commands."""

from __future__ import annotations

from pathlib import Path

import click

out_option = click.option(
    "--out", metavar="DIR", required=True, type=click.Path(path_type=Path), help="Folder for the results."
)
leaky_option = click.option(
    "--leaky", is_flag=True, help="Allow a split by image; every report of it has LEAKY in its title."
)
threads_option = click.option("--threads", type=click.IntRange(1), help="CPU threads. Default: one per core.")


def set_threads(threads: int | None) -> None:
    """Set the thread counts of PyTorch (None: one per core) and OpenCV (1)."""
    import os

    import cv2
    import torch

    torch.set_num_threads(threads or os.cpu_count() or 1)
    cv2.setNumThreads(1)
