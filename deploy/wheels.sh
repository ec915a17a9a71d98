#!/bin/sh
# Make a folder of wheels, to install edge-all without a network:
#   deploy/wheels.sh FOLDER                        for this machine
#   deploy/wheels.sh FOLDER --jetson               for JetPack 6 (Python 3.10, aarch64)
#   deploy/wheels.sh FOLDER --python 3.12 --arch aarch64
# Run it on a machine with a network, from a checkout, then copy FOLDER and deploy/ to the device.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$1; shift
python= arch= extras=web,report,service,cpu
while [ $# -gt 0 ]; do
  case $1 in
    --jetson) python=3.10 arch=aarch64 ;; # its onnxruntime is installed only if there is no onnxruntime-gpu
    --python) python=$2; shift ;;
    --arch) arch=$2; shift ;;
    --extras) extras=$2; shift ;;
    *) echo "wheels.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
mkdir -p "$folder"
run=${PYTHON:-python3}
"$run" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder" "$here/.."
set --
if [ -n "$python$arch" ]; then
  arch=${arch:-$(uname -m)}
  set -- --only-binary=:all: ${python:+--python-version "$python"}
  for glibc in 2_17 2_28 2_31 2_34 2_35; do set -- "$@" --platform "manylinux_${glibc}_$arch"; done
  set -- "$@" --platform "manylinux2014_$arch"
fi
wheel=$(ls -t "$folder"/edge_all-*.whl | head -n 1)
constraints=$folder/constraints.txt
cp "$here/../constraints.txt" "$constraints"
if [ -n "$python" ]; then
  # pip evaluates "python_version" for the running Python, so the lines for the target version are selected first.
  constraints=$folder/.constraints
  "$run" - "$folder/constraints.txt" "$python" >"$constraints" <<'P'
import sys
from pip._vendor.packaging.requirements import Requirement
for line in open(sys.argv[1]):
    line = line.partition("#")[0].strip()
    wanted = Requirement(line) if line else None
    if wanted and (wanted.marker is None or wanted.marker.evaluate({"python_version": sys.argv[2]})):
        print(f"{wanted.name}{wanted.specifier}")
P
  case $python in 3.10) set -- "$@" tomli exceptiongroup ;; esac
fi
"$run" -m pip download --quiet --disable-pip-version-check --dest "$folder" "$@" --constraint "$constraints" "$wheel[$extras]"
rm -f "$folder/.constraints"
echo "$folder: $(ls "$folder"/*.whl | wc -l) wheels"
