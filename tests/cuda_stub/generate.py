"""Makes libcuda.so.1 from device.c and the machine's cuda.h: what device.c does not have is there, and refuses.

python -m tests.cuda_stub.generate FOLDER
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

DEVICE = Path(__file__).with_name("device.c")
HEADERS = "#include <cuda.h>\n#include <cudaProfiler.h>\n"
NOT_SUPPORTED = 801


class CannotBuildError(Exception):
    """The stub cannot be built here; the message names what is missing."""


def headers_folder() -> Path:
    """Folder with cuda.h: CUDA_INCLUDE, CUDA_HOME, the usual place, a package of headers. Raises CannotBuildError."""
    named = [
        Path(os.environ[n]) / rest for n, rest in (("CUDA_INCLUDE", ""), ("CUDA_HOME", "include")) if n in os.environ
    ]
    packaged = [Path(p) / "nvidia" / "cu13" / "include" for p in sys.path if p]
    for folder in (*named, Path("/usr/local/cuda/include"), *packaged):
        if (folder / "cuda.h").is_file() and (folder / "cudaProfiler.h").is_file():
            return folder
    raise CannotBuildError("no cuda.h: pip install nvidia-cuda-runtime nvidia-cuda-crt nvidia-cuda-profiler-api")


def build(folder: Path) -> Path:
    """Build libcuda.so.1 in the folder, and libcuda.so next to it for linking. Raises CannotBuildError."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise CannotBuildError("no C compiler: apt install gcc")
    include = ["-I", str(headers_folder())]
    declared = _declared(compiler, include)
    _run(compiler, "-c", "-fPIC", "-O1", "-Wall", *include, str(DEVICE), "-o", str(folder / "device.o"))
    listed = _run("nm", "--defined-only", "--extern-only", str(folder / "device.o"))
    present = {line.split()[-1] for line in listed.splitlines() if line}
    rest = folder / "rest.c"
    rest.write_text("".join(f"int {name}(void) {{ return {NOT_SUPPORTED}; }}\n" for name in sorted(declared - present)))
    library = folder / "libcuda.so.1"
    _run(
        compiler, "-shared", "-fPIC", "-fno-builtin", "-Wl,-soname,libcuda.so.1",
        str(folder / "device.o"), str(rest), "-o", str(library), "-lpthread",
    )  # fmt: skip
    link = folder / "libcuda.so"
    link.unlink(missing_ok=True)
    link.symlink_to(library.name)
    return library


def _declared(compiler: str, include: list[str]) -> set[str]:
    """Names of the driver's functions as programs that include cuda.h are linked (cuMemAlloc is cuMemAlloc_v2)."""
    text = subprocess.run(
        [compiler, "-E", "-P", *include, "-"], input=HEADERS, capture_output=True, text=True, check=True
    ).stdout
    return set(re.findall(r"\bCUresult\s+(cu\w+)\s*\(", text))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotBuildError(f"{command[0]}: {done.stderr[-500:]}")
    return done.stdout


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
