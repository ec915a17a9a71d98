"""The process that builds. However it ends, the program continues and reports in one line what happened."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from edge_all.errors import EngineUnavailableError, ModelError
from edge_all.inference.tensorrt.build import BuildRequest
from edge_all.inference.tensorrt.build_process import request_to_json
from edge_all.inference.tensorrt.builder import build_in_process
from edge_all.inference.tensorrt.shapes import InputShapes
from edge_all.modelstore.shipped import models_folder
from tests.helpers.logged_lines import lines_to

SHAPES = InputShapes((1, 80, 80, 3), (8, 80, 80, 3), (32, 80, 80, 3))
REQUEST = BuildRequest(models_folder() / "classifier" / "fp16.onnx", "fp16", SHAPES)


def run(tmp_path, code, request=REQUEST):
    """With a child of this code in the place of TensorRT's."""
    process = (
        sys.executable,
        "-c",
        "import json, os, signal, sys\nasked = json.load(sys.stdin)\n" + textwrap.dedent(code),
    )
    return build_in_process(request, tmp_path / "plan", "tensorrt", process)


def test_plan_and_progress_come_back(tmp_path, logged):
    plan = run(
        tmp_path,
        """
        print("[TRT] chatter of a library")
        print(json.dumps({"progress": "a quarter"}), flush=True)
        print("noise", file=sys.stderr)
        open(asked["plan"], "wb").write(b"plan of " + asked["precision"].encode())
        """,
    )
    assert plan == b"plan of fp16"
    assert logged.messages == ["a quarter"]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            r"was killed \(SIGKILL\).*lack of memory: set or lower build_memory_mib",
        ),
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"crashed \(SIGSEGV\): use another --precision"),
        ("os.abort()", r"crashed \(SIGABRT\)"),
        ("sys.exit('a library is missing')", r"failed with status 1 \(a library is missing\)"),
        ("sys.exit(3)", r"failed with status 3 \(no output\)"),
        ("print('0'); sys.exit(2)", r"failed with status 2"),
        ("pass", r"wrote no engine"),
    ],
    ids=["killed", "segfault", "abort", "exit with words", "exit", "strange words", "no plan"],
)
def test_a_child_that_fails_is_one_clear_line(tmp_path, code, says):
    with pytest.raises(EngineUnavailableError, match=says) as caught:
        run(tmp_path, code)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_a_child_that_dies_before_it_was_asked(tmp_path):
    with pytest.raises(EngineUnavailableError, match="failed with status 4"):
        build_in_process(REQUEST, tmp_path / "plan", "tensorrt", (sys.executable, "-c", "import os; os._exit(4)"))


@pytest.mark.parametrize(
    ("name", "kind"), [("ModelError", ModelError), ("EngineUnavailableError", EngineUnavailableError)]
)
def test_a_reason_that_the_child_gives_is_passed_on(tmp_path, name, kind):
    with pytest.raises(kind) as caught:
        run(tmp_path, f"print(json.dumps(dict(error={name!r}, message='what', remedy='do'))); sys.exit(1)")
    assert str(caught.value) == "what: do"


def test_an_interrupt_ends_the_child(tmp_path):
    """Ctrl-C while the child builds does not leave it behind."""
    pids = []

    def interrupt(line):
        pids.append(int(line))
        raise KeyboardInterrupt

    code = "import os, json, time; print(json.dumps({'progress': str(os.getpid())}), flush=True); time.sleep(60)"
    with lines_to(interrupt), pytest.raises(KeyboardInterrupt):
        build_in_process(REQUEST, tmp_path / "plan", "tensorrt", (sys.executable, "-c", code))
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_ctrl_c_at_the_terminal_does_not_reach_the_child(tmp_path, logged):
    """The program ends a session cleanly at the first; a builder that died of it would be reported as a fault."""
    run(
        tmp_path,
        """
        print(json.dumps({"progress": str(os.getpgrp())}), flush=True)
        open(asked["plan"], "wb").write(b"plan")
        """,
    )
    assert int(logged.messages[0]) != os.getpgrp()


FAKE = """
import os, sys, time, types
__version__ = "10.3.0"
def Builder(log):
    {do}
"""


def start(tmp_path, do):
    """The real build process with a tensorrt module that does this when a builder is made."""
    (tmp_path / "tensorrt.py").write_text(
        textwrap.dedent(FAKE).replace("{do}", do) + "\nclass ILogger:\n    INTERNAL_ERROR, ERROR = 0, 1\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    return subprocess.Popen(
        [sys.executable, "-m", "edge_all.inference.tensorrt.build_process"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def ask(child, tmp_path):
    return child.communicate(json.dumps(request_to_json(REQUEST, tmp_path / "plan", "tensorrt")), timeout=60)[0]


def test_the_builder_is_the_first_that_the_kernel_kills(tmp_path):
    child = start(tmp_path, "raise RuntimeError(open('/proc/self/oom_score_adj').read().strip())")
    answer = json.loads(ask(child, tmp_path).splitlines()[-1])
    assert answer["message"] == "tensorrt-10.3 does not start (1000)"
    assert child.returncode == 1


def test_output_of_libraries_does_not_reach_the_answers(tmp_path):
    child = start(tmp_path, "os.write(1, b'[TRT] hello'); raise RuntimeError('no GPU')")
    out = ask(child, tmp_path)
    assert [json.loads(line)["error"] for line in out.splitlines()] == ["EngineUnavailableError"]


def test_running_out_of_memory_in_python_is_reported(tmp_path):
    answer = json.loads(ask(start(tmp_path, "raise MemoryError"), tmp_path).splitlines()[-1])
    assert "out of memory" in answer["message"]
    assert "build_memory_mib" in answer["remedy"]


def test_the_builder_does_not_outlive_its_program(tmp_path):
    """The program is killed with -9 in the middle of a build, and the builder ends with it."""
    (tmp_path / "tensorrt.py").write_text(
        f"import os, time\n__version__ = '10.3.0'\nclass ILogger:\n    INTERNAL_ERROR, ERROR = 0, 1\n"
        f"def Builder(log):\n    open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n    time.sleep(100)\n"
    )
    program = textwrap.dedent(f"""
        from pathlib import Path
        from edge_all.inference.tensorrt.build import BuildRequest
        from edge_all.inference.tensorrt.builder import build_in_process
        from edge_all.inference.tensorrt.shapes import InputShapes
        shapes = InputShapes((1, 80, 80, 3), (8, 80, 80, 3), (32, 80, 80, 3))
        request = BuildRequest(Path({str(REQUEST.model)!r}), "fp16", shapes)
        build_in_process(request, Path({str(tmp_path / "plan")!r}), "tensorrt")
    """)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    parent = subprocess.Popen([sys.executable, "-c", program], env=environment)
    pid = tmp_path / "pid"
    wait_until(lambda: pid.exists() and pid.read_text())
    child = int(pid.read_text())
    os.kill(child, 0)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_until(lambda: gone(child))


def gone(pid):
    try:
        # The process that inherits it may not have noticed its end yet.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(happened):
    for _ in range(600):
        if happened():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within a minute")
