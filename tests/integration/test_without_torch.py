"""The device half needs neither torch nor any other package of the workstation."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys

FORBIDDEN = {"torch", "torchvision", "onnx", "sklearn", "matplotlib", "tensorrt", "pycuda", "picamera2"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} must not be needed here")

sys.meta_path.insert(0, Refuse())
import edge_all
assert not {"cv2", "onnxruntime", "numpy"} & set(sys.modules), "import edge_all is light"
from edge_all.cli.main import main
try:
    main(["run", "--camera", "sim:?fields=2", "--record", sys.argv[1]])
except SystemExit as stop:
    assert not stop.code, stop.code
assert not FORBIDDEN & set(sys.modules)
print("without torch")
"""


def test_run_works_where_torch_cannot_be_imported(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "without torch" in done.stdout


def test_listing_sessions_loads_no_network(tmp_path):
    code = (
        "import sys\nfrom edge_all.cli.main import main\n"
        f"try:\n    main(['sessions', '--record', {str(tmp_path)!r}])\nexcept SystemExit: pass\n"
        "assert not {'cv2', 'onnxruntime'} & set(sys.modules), 'heavy'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
