"""TensorRT parses and builds the shipped FP16 and INT8 files: the real builder of TensorRT-RTX, without a GPU."""

import subprocess
import sys

import onnx
import pytest

from edge_all.modelstore.shipped import models_folder

pytest.importorskip("tensorrt_rtx", reason="the builder is not installed: make workstation installs it")

# In a process of its own: a builder that crashes must not take the tests with it.
BUILD = """
import sys
import tensorrt_rtx as trt

logger = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(logger)
strongly_typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
network = builder.create_network(0 if strongly_typed is None else 1 << int(strongly_typed))
parser = trt.OnnxParser(network, logger)
if not parser.parse(open(sys.argv[1], "rb").read()):
    sys.exit("not parsed: " + "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors)))
config = builder.create_builder_config()
profile = builder.create_optimization_profile()
image = network.get_input(0)
# Batch 1 to 32; the detector's height and width too.
sizes = [[1, 8, 32] if k == 0 else [96, 288, 512] for k in range(len(image.shape))]
shapes = [[v[k] if d == -1 else d for d, v in zip(image.shape, sizes)] for k in range(3)]
if len([d for d in image.shape if d == -1]) > 1:
    shapes = [[1, *s[1:]] for s in shapes]
profile.set_shape(image.name, *shapes)
config.add_optimization_profile(profile)
config.num_compute_capabilities = 1
config.set_compute_capability(trt.ComputeCapability.SM86, 0)
plan = builder.build_serialized_network(network, config)
if plan is None:
    sys.exit("not built")
print(plan.nbytes)
"""

FILES = [
    "detector/fp16.onnx",
    "detector/int8-trt.onnx",
    "classifier/fp16.onnx",
    "classifier-segmented/fp16.onnx",
]


def built(path):
    return subprocess.run([sys.executable, "-c", BUILD, str(path)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", FILES)
def test_tensorrt_builds_the_file_for_sm86(name):
    done = built(models_folder() / name)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 10_000


def test_tensorrt_refuses_an_asymmetric_file():
    """The files for the CPU have zero points and quantized biases: were they taken, the test above would mean
    nothing."""
    done = built(models_folder() / "detector" / "int8-cpu.onnx")
    assert done.returncode != 0
    assert "not parsed" in done.stderr or "not built" in done.stderr


def test_one_zero_point_is_enough_to_be_refused(tmp_path):
    model = onnx.load(str(models_folder() / "detector" / "int8-trt.onnx"))
    quantize = next(n for n in model.graph.node if n.op_type == "QuantizeLinear")
    for tensor in model.graph.initializer:
        if tensor.name == quantize.input[2]:
            changed = onnx.numpy_helper.to_array(tensor).copy()
            changed += 3
            tensor.CopyFrom(onnx.numpy_helper.from_array(changed, tensor.name))
    path = tmp_path / "asymmetric.onnx"
    path.write_bytes(model.SerializeToString())
    assert built(path).returncode != 0
