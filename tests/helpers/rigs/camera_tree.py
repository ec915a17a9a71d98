"""A Debian tree with unmodified libcamera, the real picamera2 and what the device half needs: built once, kept.

For two tests: picamera2 on libcamera's virtual camera (in a chroot), and V4L2 on the kernel's vivid driver (as the root
of a virtual machine). Some five minutes and 1.2 GB, under EDGE_ALL_RIGS (default: edge-all-rigs in /var/tmp).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from tests.helpers.debian import needs_packages

ROOT = Path(__file__).resolve().parents[3]
RELEASE = "trixie"
"""The first Debian with libcamera's virtual pipeline."""
_PACKAGES = (
    "python3-libcamera",
    "libcamera-ipa",
    "python3-prctl",
    "python3-venv",
    "python3-pil",
    "python3-dev",
    "gcc",
    "libc6-dev",
    "v4l-utils",
    "ca-certificates",
)
_VIRTUAL_CAMERA = """%YAML 1.1
---
"VirtualScope":
  supported_formats:
  - width: {width}
    height: {height}
    frame_rates:
    - 30
  frames:
    path: "/opt/frames"
  location: "CameraLocationExternal"
  model: "Virtual microscope"
"""


def rigs() -> Path:
    """Return the folder that keeps the rigs between runs."""
    folder = Path(os.environ.get("EDGE_ALL_RIGS", "/var/tmp/edge-all-rigs"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def camera_tree() -> Path:
    """The tree; skips the test where it cannot be built."""
    tree = rigs() / "camera-tree"
    if (tree / "complete").exists():
        _install(tree)
        return tree
    if os.geteuid() != 0:
        pytest.skip("a Debian tree needs root")
    needs_packages(["debootstrap", "gcc", "libc6-dev"], "/usr/sbin/debootstrap")
    shutil.rmtree(tree, ignore_errors=True)
    _sh("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", RELEASE, tree, _mirror())
    for source, target in (
        (os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"), "etc/ssl/certs/ca-certificates.crt"),
        ("/etc/resolv.conf", "etc/resolv.conf"),
    ):
        shutil.copyfile(source, tree / target)
    in_tree(tree, "python3", "-m", "venv", "--system-site-packages", "/opt/venv")
    _install(tree)
    _without_a_screen(tree)
    (tree / "opt/frames").mkdir()
    shim = Path(__file__).with_name("dma_heap_shim.c")
    _sh("gcc", "-O1", "-shared", "-fPIC", "-o", tree / "opt/dma_heap_shim.so", shim, "-ldl")
    (tree / "complete").touch()
    return tree


def set_virtual_camera(tree: Path, frames: list[Path], width: int, height: int) -> None:
    """libcamera then has one camera that shows these JPEGs (of that size) in turn."""
    folder = tree / "opt/frames"
    for old in folder.iterdir():
        old.unlink()
    for number, frame in enumerate(frames):
        shutil.copyfile(frame, folder / f"{number:03d}.jpg")
    settings = tree / "usr/share/libcamera/pipeline/virtual/virtual.yaml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(_VIRTUAL_CAMERA.format(width=width, height=height))


def put_project(tree: Path) -> None:
    """The device half as it is here, at /opt/edge_all in the tree."""
    target = tree / "opt/edge_all"
    shutil.rmtree(target, ignore_errors=True)
    for package in ("edge_all", "firmware_config"):
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))


def in_tree(tree: Path, *command: str, **more: object) -> subprocess.CompletedProcess[str]:
    """Runs a program in the tree. Raises CalledProcessError."""
    return _sh("chroot", tree, *command, **more)


def _install(tree: Path) -> None:
    """picamera2 and what the device half needs now; a kept tree may have been built when it needed less."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = ["picamera2", *project["dependencies"], *project["optional-dependencies"]["cpu"]]
    installed = tree / "installed.txt"
    if installed.exists() and installed.read_text() == "\n".join(wanted):
        return
    # Wheels come from where this machine's pip gets its own; folders of this machine are not seen from inside.
    clean = {k: v for k, v in os.environ.items() if k not in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PYTHONPATH")}
    in_tree(tree, "/opt/venv/bin/python", "-m", "pip", "install", "--quiet", *wanted, env=clean)
    installed.write_text("\n".join(wanted))


def _without_a_screen(tree: Path) -> None:
    """picamera2 imports its previews, and one of them a display library that a tree without a screen lacks."""
    (site,) = (tree / "opt/venv/lib").glob("python3.*/site-packages")
    (site / "pykms.py").write_text(
        "class _Names(type):\n    def __getattr__(cls, name):\n        return name\n\n\n"
        "class PixelFormat(metaclass=_Names):\n    pass\n"
    )


def _mirror() -> str:
    """The Debian mirror of this machine's own configuration."""
    policy = subprocess.run(["apt-cache", "policy", "bash"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"https?://\S+/debian\b", policy)
    if found is None:
        pytest.skip("apt names no Debian mirror: run apt-get update")
    return found[0]


def _sh(*command: object, **more: object) -> subprocess.CompletedProcess[str]:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [str(c) for c in command],
        check=True,
        text=True,
        **more,  # type: ignore[call-overload]
    )
    return done
