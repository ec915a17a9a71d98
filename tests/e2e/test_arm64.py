"""The device half on arm64, as on a Jetson or a Raspberry Pi: Debian's tree, the wheels of the constraints file, the
main job. The processor is emulated (qemu): some ten minutes, and no word about speed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULE = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")
PACKAGES = "python3,python3-venv,ca-certificates"

pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.geteuid() != 0, reason="a Debian tree of another processor needs root"),
]


def sh(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, text=True, **more)


@pytest.fixture(scope="module")
def emulated():
    """The kernel hands arm64 programs to qemu."""
    if RULE.exists():
        yield
        return
    if not (shutil.which("debootstrap") and Path("/usr/lib/binfmt.d/qemu-aarch64.conf").is_file()):
        sh("apt-get", "update", "-qq")
        sh("apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap", "qemu-user-static")
    if not RULE.parent.joinpath("register").exists():
        sh("mount", "-t", "binfmt_misc", "binfmt_misc", RULE.parent)
    try:
        RULE.parent.joinpath("register").write_bytes(Path("/usr/lib/binfmt.d/qemu-aarch64.conf").read_bytes().strip())
    except OSError as error:
        pytest.skip(f"this kernel takes no foreign programs ({error})")
    yield
    RULE.write_text("-1")


@pytest.fixture(scope="module")
def tree(emulated, tmp_path_factory):  # noqa: ARG001
    """Debian 12 for arm64, bootable enough to run Python."""
    folder = tmp_path_factory.mktemp("arm64") / "tree"
    sh("debootstrap", "--arch=arm64", "--variant=minbase", f"--include={PACKAGES}", "bookworm", folder)
    for name in ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf"):
        if Path(name).is_file():
            shutil.copy(name, folder / name[1:])
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    shutil.copy(certificates, folder / "etc/ssl/certs/ca-certificates.crt")
    mounted = []
    # ONNX Runtime counts the processors in /sys when it is loaded, and aborts where it finds none.
    for name in ("proc", "sys", "dev"):
        sh("mount", "--rbind", f"/{name}", folder / name)
        sh("mount", "--make-rslave", folder / name)
        mounted.append(folder / name)
    yield folder
    for point in reversed(mounted):
        sh("umount", "-R", "-l", point)
    shutil.rmtree(folder, ignore_errors=True)


def inside(tree, *command, **more):
    kept = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    environment = {k: v for k, v in os.environ.items() if k in kept}
    environment |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    return sh("chroot", tree, *command, env=environment, **more)


def test_the_device_half_installs_and_does_its_job(tree, tmp_path):
    sh(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    for file in (wheel, ROOT / "constraints.txt"):
        shutil.copy(file, tree / "root")
    # The newest ONNX Runtime that JetPack 6's Python has wheels for.
    constraints = (tree / "root/constraints.txt").read_text()
    lines = [line for line in constraints.splitlines() if not line.startswith("onnxruntime==")]
    (tree / "root/constraints.txt").write_text("\n".join([*lines, "onnxruntime==1.23.2"]) + "\n")
    inside(tree, "python3", "-m", "venv", "/root/env")
    pip = ("/root/env/bin/pip", "install", "--quiet", "--constraint", "/root/constraints.txt")
    inside(tree, *pip, f"/root/{wheel.name}[cpu]")
    run = ("/root/env/bin/edge-all", "run", "--camera", "sim:?seed=3&fields=4&frames_per_field=1", "--sample", "arm")
    done = inside(tree, *run, "--record", "/root/record", capture_output=True)
    assert "Fields" in done.stdout
    assert "Research use only" in done.stdout
    assert "engine onnxruntime-cpu" in done.stderr
    shown = inside(tree, "/root/env/bin/edge-all", "cells", "--record", "/root/record", "--session", "last", "--format",
                   "csv", capture_output=True)  # fmt: skip
    there = shown.stdout.splitlines()
    here = subprocess.run(
        [sys.executable, "-m", "edge_all", *run[1:], "--record", str(tmp_path / "record"), "--precision", "fp32"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(there) > 5, here.stdout
    counted = [
        next(line.split()[1] for line in out.splitlines() if line.startswith("Leukocytes"))
        for out in (done.stdout, here.stdout)
    ]
    assert counted[0] == counted[1]  # as many cells as on this processor
