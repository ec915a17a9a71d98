"""Calls to each TensorRT, recorded by fakes of 8.6, 10.3 and 11 that have only what those versions have.

The real TensorRT-RTX is in tests/unit/export/test_tensorrt_builds.py.
"""

import enum
import types

import numpy as np
import pytest

from edge_all.errors import EngineError, EngineUnavailableError, ModelError
from edge_all.inference.tensorrt.api import Api
from edge_all.inference.tensorrt.build import BuildRequest, build_plan
from edge_all.inference.tensorrt.shapes import InputShapes, input_shapes

FIELDS = InputShapes((1, 32, 32, 3), (1, 192, 320, 3), (1, 1952, 2592, 3))


def flags(name, *members):
    return enum.IntEnum(name, [(member, number) for number, member in enumerate(members)])


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING = Severity


class IProgressMonitor:
    pass


class Fake:
    """A module with a version's names, and the calls that were made."""

    def __init__(self, version, network_flags, builder_flags, monitor=True, name="tensorrt"):
        self.calls = []
        self.parses, self.plans, self.shape = True, True, (-1, -1, -1, 3)
        self.cache_is_foreign = False
        calls = self.calls
        fake = self

        class Config:
            num_compute_capabilities = None

            def __init__(self):
                if monitor:
                    self.progress_monitor = None

            def set_flag(self, flag):
                calls.append(("set_flag", flag.name))

            def set_memory_pool_limit(self, pool, size):
                calls.append(("limit", pool.name, size))

            def add_optimization_profile(self, profile):
                calls.append(("profile", profile.shapes))

            def create_timing_cache(self, data):
                return types.SimpleNamespace(data=data, serialize=lambda: b"timings")

            def set_timing_cache(self, cache, ignore_mismatch):
                calls.append(("timings", cache.data, ignore_mismatch))
                self.timings = cache
                return not (fake.cache_is_foreign and cache.data)

            def get_timing_cache(self):
                return self.timings

            def set_compute_capability(self, capability, index):
                calls.append(("capability", capability.name, index))

        class Profile:
            def set_shape(self, name, least, usual, largest):
                self.shapes = (name, least, usual, largest)

        class Builder:
            def __init__(self, log):
                self.log = log

            def create_network(self, wanted=0):
                calls.append(("network", wanted))
                return types.SimpleNamespace(get_input=lambda _: types.SimpleNamespace(name="image", shape=fake.shape))

            def create_builder_config(self):
                return Config()

            def create_optimization_profile(self):
                return Profile()

            def build_serialized_network(self, _network, config):
                if monitor:
                    seen = config.progress_monitor
                    seen.phase_start("Tactics", None, 2)
                    assert seen.step_complete("Tactics", 0)
                    seen.phase_finish("Tactics")
                if not fake.plans:
                    self.log.log(Severity.ERROR, "no implementation\nfor node X")
                    self.log.log(Severity.WARNING, "chatter")
                    return None
                return b"plan"

        class OnnxParser:
            num_errors = 1

            def __init__(self, network, log):
                pass

            def parse(self, data):
                calls.append(("parse", data))
                return fake.parses

            def get_error(self, _index):
                return types.SimpleNamespace(desc=lambda: "zero point is not zero")

        self.module = types.SimpleNamespace(
            __name__=name,
            __version__=version,
            NetworkDefinitionCreationFlag=flags("NetworkDefinitionCreationFlag", *network_flags),
            BuilderFlag=flags("BuilderFlag", *builder_flags),
            MemoryPoolType=flags("MemoryPoolType", "WORKSPACE", "DLA_MANAGED_SRAM", "TACTIC_DRAM"),
            ComputeCapability=flags("ComputeCapability", "CURRENT", "SM86", "SM89"),
            ILogger=ILogger,
            Builder=Builder,
            OnnxParser=OnnxParser,
        )
        if monitor:
            self.module.IProgressMonitor = IProgressMonitor

    def made(self, kind):
        return [call[1:] for call in self.calls if call[0] == kind]


def trt8():
    # The order is that of 8.6: EXPLICIT_BATCH is bit 0.
    return Fake("8.6.2.3", ["EXPLICIT_BATCH", "EXPLICIT_PRECISION"], ["FP16", "INT8", "TF32"], monitor=False)


def trt10():
    return Fake("10.3.0", ["EXPLICIT_BATCH", "STRONGLY_TYPED"], ["FP16", "INT8", "TF32"])


def trt11():
    return Fake("11.1.0", ["STRONGLY_TYPED"], ["TF32"])


def trt11_without_the_flag():
    return Fake("11.4.1", ["PREFER_AOT_PYTHON_PLUGINS"], ["TF32"])


def rtx():
    return Fake("1.7.1.116", ["STRONGLY_TYPED"], ["TF32"], name="tensorrt_rtx")


EVERY = [trt8, trt10, trt11, trt11_without_the_flag, rtx]


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "detector" / "int8-trt.onnx"
    path.parent.mkdir()
    path.write_bytes(b"onnx")
    return path


def build(fake, model, precision="int8", **rest):
    return build_plan(Api(fake.module), BuildRequest(model, precision, FIELDS, **rest))


@pytest.mark.parametrize("version", EVERY)
def test_a_plan_is_built(version, model, logged):
    fake = version()
    plan = build(fake, model)
    assert plan == b"plan"
    assert fake.made("parse") == [(b"onnx",)]
    assert fake.made("profile") == [(("image", FIELDS.least, FIELDS.usual, FIELDS.largest),)]
    assert logged.messages[0].startswith(Api(fake.module).name)


@pytest.mark.parametrize(
    ("version", "network", "precision", "builder_flags"),
    [
        (trt8, 0b01, "int8", ["FP16", "INT8"]),
        (trt8, 0b01, "fp16", ["FP16"]),
        (trt8, 0b01, "fp32", []),
        *((trt10, 0b10, precision, []) for precision in ("int8", "fp16", "fp32")),
        (trt11, 0b01, "int8", []),
        (trt11_without_the_flag, 0, "int8", []),
        (trt11_without_the_flag, 0, "fp16", []),
        (rtx, 0b01, "int8", []),
    ],
)
def test_precision_is_requested_as_the_version_requires(version, network, precision, builder_flags, model):
    fake = version()
    build(fake, model, precision)
    assert fake.made("network") == [(network,)]
    assert [name for (name,) in fake.made("set_flag")] == builder_flags


@pytest.mark.parametrize("version", EVERY)
def test_memory_is_limited_only_where_asked(version, model):
    fake = version()
    build(fake, model)
    assert fake.made("limit") == []
    build(fake, model, memory_mib=512)
    assert fake.made("limit") == [("WORKSPACE", 512 << 20), ("TACTIC_DRAM", 512 << 20)]


def test_only_rtx_names_the_gpu(model):
    fake = rtx()
    build(fake, model)
    build(fake, model, capability=(8, 6))
    assert fake.made("capability") == [("CURRENT", 0), ("SM86", 0)]
    with pytest.raises(EngineUnavailableError, match="SM87"):
        build(fake, model, capability=(8, 7))
    fake = trt10()
    build(fake, model)
    assert fake.made("capability") == []
    with pytest.raises(EngineUnavailableError, match="on the device"):
        build(fake, model, capability=(8, 6))


def test_timings_are_kept_and_foreign_ones_passed_over(model, tmp_path):
    path = tmp_path / "m.timings"
    build(trt10(), model, timings=path)
    fake = trt10()
    build(fake, model, timings=path)
    assert fake.made("timings") == [(b"timings", False)]
    fake = trt10()
    fake.cache_is_foreign = True
    build(fake, model, timings=path)
    assert fake.made("timings") == [(b"timings", False), (b"", False)]
    path.write_bytes(b"damaged")
    fake = trt10()
    build(fake, model, timings=path)
    assert fake.made("timings") == [(b"", False)]


def test_progress_is_watched_where_there_is_a_monitor():
    for version in (trt10, trt11, rtx):
        fake, steps = version(), []
        api = Api(fake.module)
        tell = steps.append
        builder = fake.module.Builder(api.log())
        config = api.configuration(builder, "fp16", None, None)
        assert api.watch(config, lambda *step, tell=tell: tell(step)) is not None
        api.build(builder, None, config)
        assert steps == [("Tactics", 0, 2), ("Tactics", 1, 2)]
    fake = trt8()
    assert Api(fake.module).watch(fake.module.Builder(None).create_builder_config(), None) is None


def test_dimensions_fixed_by_the_model_stay():
    fake = trt10()
    api = Api(fake.module)
    builder = fake.module.Builder(api.log())
    config = builder.create_builder_config()
    image = types.SimpleNamespace(name="image", shape=(-1, 80, 80, 3))
    taken = api.add_profile(builder, config, image, input_shapes(classifier(), 16))
    assert taken == InputShapes((1, 80, 80, 3), (8, 80, 80, 3), (16, 80, 80, 3))
    image.shape = (4, 80, 80, 3)
    assert api.add_profile(builder, config, image, taken).largest == (4, 80, 80, 3)
    assert len(fake.made("profile")) == 1, "a model without open sizes takes no profile"


def test_refusals_are_one_line_with_the_reason(model):
    fake = trt8()
    fake.parses = False
    with pytest.raises(ModelError, match=r"tensorrt-8.6 rejects .*zero point is not zero"):
        build(fake, model)
    fake = trt11()
    fake.plans = False
    with pytest.raises(EngineUnavailableError, match=r"within 64 MiB \(no implementation for node X\)") as caught:
        build(fake, model, memory_mib=64)
    assert "chatter" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "name", "flavour"),
    [
        (trt8, "tensorrt-8.6", "tensorrt"),
        (trt11, "tensorrt-11.1", "tensorrt"),
        (rtx, "tensorrt-rtx-1.7", "tensorrt-rtx"),
    ],
)
def test_names(version, name, flavour):
    api = Api(version().module)
    assert (api.name, api.flavour) == (name, flavour)


def test_dtypes_do_not_come_from_trt_nptype():
    api = Api(trt8().module)
    assert api.numpy_dtype(types.SimpleNamespace(name="FLOAT")) == np.float32
    assert api.numpy_dtype(types.SimpleNamespace(name="HALF")).itemsize == 2


def classifier(side=80):
    from edge_all.inference.contract import Contract

    return Contract("classifier", "c", "1", 0.2, side, ("p",), {}, (), ())


def test_sizes():
    assert input_shapes(classifier(), 32).max_batch == 32
    assert input_shapes(classifier(), 1).usual == (1, 80, 80, 3)
    fields = input_shapes(classifier(0), 32)
    assert fields.max_batch == 1
    for shape in (fields.least, fields.usual, fields.largest):
        assert shape[1] % 16 == shape[2] % 16 == 0
    fields.check((1, 96, 96, 3))
    fields.check((9, 1952, 2592, 3))
    for shape in ((1, 16, 96, 3), (1, 1968, 2592, 3), (1, 96, 2608, 3)):
        with pytest.raises(EngineError, match=rf"{shape[2]} x {shape[1]} px here.*32 x 32 to 2592 x 1952.*camera"):
            fields.check(shape)
