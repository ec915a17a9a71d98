"""Signed models: what is installed, what is refused, what stays when something fails. Real model files, real engine."""

import json
import shutil
import tarfile
from types import SimpleNamespace

import pytest

pytest.importorskip("cryptography", reason="pip install 'edge-all[service]'")

from edge_all.errors import ModelError, UsageError
from edge_all.inference.contract import METADATA_KEY
from edge_all.inference.loader import EngineOptions
from edge_all.modelstore.installed import fall_back, install, model_sets, models_in_use, roll_back
from edge_all.modelstore.package import unpack, write_package
from edge_all.modelstore.shipped import models_folder
from edge_all.modelstore.signing import new_key, public_path, read_public_key, trust, trusted_keys

WANTED = EngineOptions("onnxruntime-cpu", "fp32", threads=1)


@pytest.fixture
def key(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    path = tmp_path / "lab.pem"
    new_key(path, None)
    trust(public_path(path))
    return path


@pytest.fixture
def models(tmp_path):
    """A folder as 'edge-all export' writes it, float files only."""
    folder = tmp_path / "models"
    for task in ("detector", "classifier"):
        (folder / task).mkdir(parents=True)
        for name in ("float.onnx", "MODEL_CARD.md"):
            shutil.copy(models_folder() / task / name, folder / task / name)
    return folder


@pytest.fixture
def package(tmp_path, key, models):
    def make(version="1", folder=models, sign_with=key):
        out = tmp_path / f"lab-{version}.edgemodels"
        write_package(folder, out, "lab", version, sign_with, None)
        return out

    return make


def test_installed_then_newer_then_back_and_all_stay(package):
    assert models_in_use() == models_folder()
    _, signer, first = install(package("1"), WANTED)
    assert models_in_use() == first
    assert signer.fingerprint == trusted_keys()[0].fingerprint
    *_, second = install(package("2"), WANTED)
    assert models_in_use() == second != first
    assert [(s.name.split("-")[0], s.in_use) for s in model_sets()] == [
        ("shipped", False), ("lab", False), ("lab", True)
    ]  # fmt: skip
    assert roll_back(WANTED) == first == models_in_use()
    assert roll_back(WANTED) == models_folder() == models_in_use()
    with pytest.raises(ModelError, match="no previous set of models"):
        roll_back(WANTED)
    assert install(package("1"), WANTED)[2] == first  # the same set again is not another one
    assert len(model_sets()) == 3


def test_the_next_session_classifies_with_the_installed_models(package, models, tmp_path):
    pytest.importorskip("onnx")
    import edge_all

    path = models / "classifier" / "float.onnx"
    path.write_bytes(_with_contract(path, lambda c: c | {"version": "installed"}))
    install(package(), WANTED)
    with edge_all.open_camera("sim:?fields=1") as camera, edge_all.Session(camera, tmp_path / "r") as session:
        summary = session.run()
    assert "installed" in {m.version for m in summary.models}


def test_a_set_that_can_no_longer_be_loaded_is_replaced_by_the_previous_one(package, caplog):
    from edge_all.profile import Profile
    from edge_all.session.stages.analysis import load_models_in_use

    *_, first = install(package("1"), WANTED)
    *_, second = install(package("2"), WANTED)
    (second / "classifier" / "float.onnx").write_bytes(b"\x00" * 100)
    load_models_in_use(None, Profile(engine="onnxruntime-cpu", precision="fp32")).close()
    assert models_in_use() == first
    assert len(caplog.messages) == 1
    assert f"the models {second.name} cannot be used" in caplog.messages[0]
    assert first.name in caplog.messages[0]
    assert fall_back(second) is None  # not the one in use
    with pytest.raises(ModelError):  # a folder that was named is never given up for another
        load_models_in_use(second, Profile(engine="onnxruntime-cpu", precision="fp32"))
    assert models_in_use() == first


def _other_key(made):
    other = made.tmp_path / "other.pem"
    new_key(other, None)
    return made.package("9", made.models, other)


def _truncated(made):
    path = made.package("9")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _changed(made):
    path = made.package("9")
    data = bytearray(path.read_bytes())
    data[-20_000] ^= 1
    path.write_bytes(data)
    return path


def _manifest_changed(made):
    path = made.package("9")
    path.write_bytes(path.read_bytes().replace(b'"version": "9"', b'"version": "8"'))
    return path


def _one_more_file(made):
    path = made.package("9")
    with tarfile.open(path, "a") as tar:
        tar.add(made.models / "detector" / "float.onnx", "classifier/fp16.onnx")
    return path


def _link(made):
    path = made.tmp_path / "linked.edgemodels"
    with tarfile.open(made.package("9")) as old, tarfile.open(path, "w:") as tar:
        for member in old:
            if member.name == "classifier/float.onnx":
                member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0
                tar.addfile(member)
            else:
                tar.addfile(member, old.extractfile(member))
    return path


def _no_tar(made):
    path = made.tmp_path / "no.edgemodels"
    path.write_bytes(b"nothing" * 1000)
    return path


def _absent(made):
    return made.tmp_path / "none.edgemodels"


def _no_self_check(made):
    """Another contract: its thresholds are of another program. Signed all the same."""
    path = made.models / "classifier" / "float.onnx"
    path.write_bytes(_with_contract(path, lambda c: c | {"contract_version": 2}))
    return _signed_blindly(made.tmp_path, made.models)


def _wrong_answers(made):
    """The detector's stored answers are those of other weights."""
    import onnx

    path = made.models / "detector" / "float.onnx"
    model = onnx.load(path)
    weights = model.graph.initializer[0]
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * 3, weights.name))
    onnx.save(model, path)
    return made.package("9")


def _with_contract(path, change):
    import onnx

    model = onnx.load(path)
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = json.dumps(change(json.loads(entry.value)))
    return model.SerializeToString()


def _signed_blindly(tmp_path, models):
    from unittest.mock import patch

    out = tmp_path / "blind.edgemodels"
    with patch("edge_all.modelstore.package.read_model_file"):
        write_package(models, out, "lab", "9", tmp_path / "lab.pem", None)
    return out


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_other_key, "does not trust"),
        (_truncated, "truncated|damaged"),
        (_changed, "not the file that was signed"),
        (_manifest_changed, "signature of .* is wrong"),
        (_one_more_file, "which is not signed"),
        (_link, "which is not signed"),
        (_no_tar, "not a model package"),
        (_absent, "cannot be read"),
        (_no_self_check, "contract version 2"),
        (_wrong_answers, "gives different results here"),
    ],
)
def test_an_invalid_package_changes_nothing_and_is_one_line(tmp_path, package, models, make, says):
    if make in (_no_self_check, _wrong_answers):
        pytest.importorskip("onnx")
    *_, first = install(package("1"), WANTED)
    with pytest.raises(ModelError, match=says) as error:
        install(make(SimpleNamespace(tmp_path=tmp_path, package=package, models=models)), WANTED)
    assert "\n" not in str(error.value)
    assert error.value.remedy
    assert models_in_use() == first
    assert len(model_sets()) == 2
    left = sorted(p.name for p in (tmp_path / "state" / "models").iterdir())
    assert left == ["in-use.json", "lock", "sets"]


def test_nothing_is_unpacked_before_the_signature_is_right(tmp_path, package, models):
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(ModelError):
        unpack(_other_key(SimpleNamespace(tmp_path=tmp_path, package=package, models=models)), into, trusted_keys())
    assert list(into.iterdir()) == []


def test_a_damaged_pointer_is_reported_and_never_silently_another_model(tmp_path, package):
    install(package("1"), WANTED)
    (tmp_path / "state" / "models" / "in-use.json").write_text("{")
    with pytest.raises(ModelError, match="which selects the models"):
        models_in_use()


def test_keys(tmp_path, key, models):
    assert key.stat().st_mode & 0o077 == 0
    with pytest.raises(UsageError, match="already exists"):
        new_key(key, None)
    sealed = tmp_path / "sealed.pem"
    new_key(sealed, "many words")
    out = tmp_path / "x.edgemodels"
    with pytest.raises(UsageError, match="passphrase"):
        write_package(models, out, "lab", "1", sealed, "other words")
    assert not out.exists()
    write_package(models, out, "lab", "1", sealed, "many words")
    with pytest.raises(ModelError, match="not a public key"):
        read_public_key(key)
    with pytest.raises(UsageError, match="is not a valid name of a set"):
        write_package(models, out, "../lab", "1", key, None)


def test_an_openssl_key_signs_too(tmp_path, monkeypatch, models):
    """Users may make their keys with other tools than ours."""
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not there")
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    key, public, out = tmp_path / "o.pem", tmp_path / "o.pub.pem", tmp_path / "o.edgemodels"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    write_package(models, out, "lab", "1", key, None)
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(ModelError, match="no key is trusted"):
        unpack(out, into, trusted_keys())
    trust(public)
    manifest, _ = unpack(out, into, trusted_keys())
    assert (into / "classifier" / "float.onnx").read_bytes() == (models / "classifier" / "float.onnx").read_bytes()
    assert manifest.folder_name.startswith("lab-1-")


def test_the_commands(tmp_path, monkeypatch, edge_all, models):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    key, out = tmp_path / "lab.pem", tmp_path / "lab-2.edgemodels"
    assert edge_all("models", "new-key", key, "--no-passphrase").exit_code == 0
    signed = edge_all("models", "sign", models, "--key", key, "--name", "lab", "--version", "2", "--out", out)
    assert signed.exit_code == 0, signed.stderr
    refused = edge_all("models", "install", out)
    assert refused.exit_code == 1
    assert "no key is trusted" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert edge_all("models", "trust", tmp_path / "lab.pub.pem").exit_code == 0
    done = edge_all("models", "install", out)
    assert done.exit_code == 0, done.stderr
    assert "lab 2 is in use" in done.stdout
    assert "* lab-2-" in edge_all("models", "list").stdout
    assert "shipped is in use" in edge_all("models", "rollback").stdout
    assert "* shipped" in edge_all("models", "list").stdout
