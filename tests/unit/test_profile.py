"""Settings: layers, sources, and faults with their place."""

import json
import re
import subprocess
import sys

import pytest

from edge_all.errors import ProfileError
from edge_all.profile import GateLimits, Profile, load_profile, load_settings, shipped_profiles

DEVICES = {
    "jetson-orin-nano", "jetson-orin-nx", "jetson-agx-orin", "jetson-thor", "raspberry-pi-5", "x86-mini-pc",
    "gpu-workstation",
}  # fmt: skip


@pytest.fixture
def device(tmp_path, monkeypatch):
    """The device's own folder."""
    folder = tmp_path / "etc"
    folder.mkdir()
    monkeypatch.setenv("EDGE_ALL_CONFIG", str(folder))
    return folder


def source(resolved, dotted):
    return next(s for k, _, s in resolved.values() if ".".join(k) == dotted)


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_loads(name):
    assert load_profile(name).name == name


def test_every_device_has_a_profile_of_its_kind():
    assert set(shipped_profiles()) >= DEVICES
    assert all(load_settings(name).settings.device.kind == name for name in DEVICES)


def test_the_default_is_the_simulated_microscope():
    assert load_profile().camera == "auto"


def test_the_defaults_of_the_schema_are_those_of_the_program():
    assert load_profile("base") == Profile(name="base", gate=GateLimits())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("camra = 'sim:'", "line 1, column 1: unknown key 'camra': did you mean camera"),
        ("[camera]\nuri = 3", "line 2, column 7: camera.uri = 3 is not valid: use a quoted string"),
        ("camera = 'sim:'", r"line 1, column 10: .*a table; write \[camera\]"),
        ("[optics]\n\n  um_per_px = 0", "line 3, column 15.*a number from 0.01 to 2"),
        ("[optics]\num_per_pixel = 1", "line 2, column 1: .*did you mean um_per_px"),
        ("um_per_px = 0.1", "did you mean optics.um_per_px"),
        ("[engine]\nthreads = 1.5", "a whole number from 0 to 256"),
        ("[engine]\nthreads = true", "a whole number"),
        ("[engine]\nname = 'tensort'", 'one of "auto", "tensorrt"'),
        ("engine = { threads = -1 }", "line 1, column 22: engine.threads = -1"),
        ("engine.threads = -1", "line 1, column 18: engine.threads = -1"),
        ("[engines]\nname = 'x'", "did you mean engine"),
        ("[web]\nnames = 'bench'", "a list of strings"),
        ("[gate\n", "line 1, column 6: not valid TOML"),
        ("[gate]\nmin_sharpness = ", "p.toml, line 2: the file ends inside a value: complete it"),
        ("[web]\nnames = ['x',\n 'y'\n\n", "p.toml, line 3: the file ends inside a value: complete it"),
        ("camera = 'sim:", "p.toml, line 1: the file ends inside a value: complete it"),
        ('camera = """sim:\n', "p.toml, line 1: the file ends inside a value: complete it"),
        ("[gate]\nmin_sharpness", "p.toml.*not valid TOML"),
        ("[gate]\nmin_sharpness = true", "a number"),
        ("[gate]\nmin_density = 0.9\nmax_density = 0.1", r"must be greater than min_density \(0.9\)"),
        ("inherits = 'raspberry-pi'", "line 1, column 12: unknown profile .* did you mean raspberry-pi-5"),
        ("a = '''\n[engine]\nthreads = 5\n'''\n[engine]\nthreads = 999", "line 6, column 11: engine.threads = 999"),
        ("[web]\nnames = [\n 'x', # threads = 1\n]\n[engine]\nthreads = 999", "line 6, column 11"),
    ],
)  # fmt: skip
def test_a_wrong_file_names_line_and_column(tmp_path, text, says):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=says):
        load_profile(path)


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(ProfileError, match=r"^unknown profile 'defualt': did you mean default"):
        load_profile("defualt")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ProfileError, match="No such file"):
        load_profile(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileError, match="not UTF-8"):
        load_profile(tmp_path / "bytes.toml")


def test_values_arrive(tmp_path):
    path = tmp_path / "bench.toml"
    path.write_text("[camera]\nuri = 'x.png'\n[optics]\num_per_px = 0.2\n[gate]\nmin_sharpness = 0.7\n")
    profile = load_profile(path)
    assert (profile.name, profile.camera, profile.um_per_px, profile.gate.min_sharpness) == ("bench", "x.png", 0.2, 0.7)


def test_layers_override_single_keys_and_name_their_source(device, monkeypatch):
    (device / "10-device.toml").write_text("inherits = 'jetson-orin-nano'\n[engine]\nmax_batch = 4\n")
    (device / "20-bench.toml").write_text("[engine]\nmax_batch = 8\n[optics]\num_per_px = 0.2\n")
    monkeypatch.setenv("EDGE_ALL_ENGINE__PRECISION", "fp16")
    monkeypatch.setenv("EDGE_ALL_WEB__PORT", "9090")
    resolved = load_settings()
    settings = resolved.settings
    assert resolved.name == "jetson-orin-nano"
    assert (settings.engine.threads, source(resolved, "engine.threads")) == (4, "profile jetson-orin-nano")
    assert (settings.limits.queue_frames, source(resolved, "limits.queue_frames")) == (2, "profile jetson")
    assert (settings.engine.max_batch, source(resolved, "engine.max_batch")) == (8, str(device / "20-bench.toml"))
    assert (settings.engine.precision, source(resolved, "engine.precision")) == ("fp16", "EDGE_ALL_ENGINE__PRECISION")
    assert settings.web.port == 9090
    assert source(resolved, "engine.name") == "default"


def test_a_named_file_replaces_the_devices_own(device, tmp_path):
    (device / "device.toml").write_text("[engine]\nthreads = 7\n")
    (tmp_path / "other.toml").write_text("inherits = 'raspberry-pi-5'\n")
    assert load_profile().threads == 7
    assert load_profile("x86-mini-pc").threads == 7
    assert load_profile(tmp_path / "other.toml").threads == 3


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("EDGE_ALL_ENGINE__THREDS", "4", "EDGE_ALL_ENGINE__THREDS: unknown key 'threds': did you mean threads"),
        ("EDGE_ALL_ENGINE__THREADS", "many", 'EDGE_ALL_ENGINE__THREADS: engine.threads = "many" is not valid'),
        ("EDGE_ALL_PROFILE", "jetson-oring-nano", "did you mean jetson-orin-nano"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch, variable, value, says):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ProfileError, match=says):
        load_settings()


def test_config_check_lists_every_fault(edge_all, tmp_path):
    path = tmp_path / "bench.toml"
    path.write_text("[engine]\nthreads = 999\nmax_batches = 2\n[foo]\n[limits]\nqueue = 1\n")
    result = edge_all("config", "check", path)
    assert result.exit_code == 1
    said = result.stderr.splitlines()
    assert [re.search(r"line (\d)", line)[1] for line in said] == ["2", "3", "4", "6"]
    assert any("line 2, column 11: engine.threads = 999" in line for line in said)
    assert any("line 3, column 1: unknown key 'max_batches': did you mean max_batch" in line for line in said)
    path.write_text("[engine]\nthreads = 2\n")
    assert edge_all("config", "check", path).exit_code == 0


def test_config_show_lists_values_and_sources(edge_all, device):
    (device / "bench.toml").write_text("[optics]\num_per_px = 0.2\n")
    shown = edge_all("config", "show", "--profile", "jetson-orin-nano").stdout
    line = next(line for line in shown.splitlines() if line.startswith("optics.um_per_px"))
    assert line.split() == ["optics.um_per_px", "0.2", str(device / "bench.toml")]
    told = json.loads(edge_all("config", "show", "--json").stdout)
    assert told["settings"]["optics.um_per_px"] == {"value": 0.2, "source": str(device / "bench.toml")}


def test_the_schema_describes_every_key(edge_all):
    schema = json.loads(edge_all("config", "schema").stdout)
    assert schema["additionalProperties"] is False
    assert "jetson-thor" in schema["properties"]["inherits"]["enum"]
    for table in schema["$defs"].values():
        for name, key in table["properties"].items():
            assert key.get("description"), name


def test_neither_import_nor_help_loads_pydantic():
    code = (
        "import sys, edge_all, edge_all.profile, edge_all.cli.main as m\n"
        "try: m.main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False)
    assert done.returncode == 0
