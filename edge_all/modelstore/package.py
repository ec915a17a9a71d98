"""Signed set of models in one file: a plain tar of manifest.json, manifest.sig and the files listed in the manifest."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_all.errors import ModelError, UsageError
from edge_all.inference.contract import TASKS
from edge_all.inference.onnx_file import read_model_file
from edge_all.modelstore.signing import PublicKey, sign, verify

FORMAT = 1
_MANIFEST, _SIGNATURE = "manifest.json", "manifest.sig"
_MOST_MANIFEST, _MOST_FILE = 1 << 20, 1 << 30
_FILE = re.compile(r"(?:detector|classifier)/[A-Za-z0-9_.-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PACKAGED_FILES = ("*.onnx", "MODEL_CARD.md", "parity.json")


@dataclass(frozen=True)
class Manifest:
    """Name and version of a set, with the sha256 and the size in bytes of each file by its path in the set."""

    name: str
    version: str
    files: Mapping[str, tuple[str, int]]
    sha256: str
    """sha256 of the manifest itself, which identifies the whole set."""

    @property
    def folder_name(self) -> str:
        """Folder name of the installed set."""
        return f"{self.name}-{self.version}-{self.sha256[:8]}"


def write_package(folder: Path, out: Path, name: str, version: str, key: Path, passphrase: str | None) -> Manifest:
    """Sign a models folder (detector/ and classifier/, each with float.onnx) and write it as a package.

    Raises:
        ModelError: when a model file is missing or invalid.
        UsageError: when the name, the version or the key is invalid, or the package cannot be written.
    """
    for what, text in (("name", name), ("version", version)):
        if not _NAME.fullmatch(text):
            raise UsageError(
                f"{text!r} is not a valid {what} of a set", "use letters, digits, '.', '_' and '-', 64 at most"
            )
    paths = {}
    for task in TASKS:
        read_model_file(folder / task / "float.onnx", task)
        for path in sorted(p for pattern in _PACKAGED_FILES for p in (folder / task).glob(pattern)):
            if path.suffix == ".onnx":
                read_model_file(path, task)
            paths[f"{task}/{path.name}"] = path
    files = {
        n: {"sha256": hashlib.sha256(p.read_bytes()).hexdigest(), "bytes": p.stat().st_size} for n, p in paths.items()
    }
    manifest = json.dumps(
        {"format": FORMAT, "name": name, "version": version, "files": files}, sort_keys=True, indent=1
    ).encode()
    fingerprint, signature = sign(manifest, key, passphrase)
    signed = json.dumps({"key": fingerprint, "signature": signature}).encode()
    try:
        with tarfile.open(out, "w:") as tar:
            for member, data in ((_MANIFEST, manifest), (_SIGNATURE, signed)):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            for member, path in paths.items():
                info = tarfile.TarInfo(member)
                info.size = path.stat().st_size
                with path.open("rb") as file:
                    tar.addfile(info, file)
    except OSError as error:
        raise UsageError(f"{out} cannot be written ({error.strerror})", "choose another file with --out") from error
    return _manifest(manifest, str(out))


def unpack(package: Path, into: Path, keys: Iterable[PublicKey]) -> tuple[Manifest, PublicKey]:
    """Verify the signature, then write only the signed files into an empty folder.

    Raises:
        ModelError: when the package is not signed by a trusted key, truncated or changed.
    """
    where = str(package)
    damaged = ModelError(f"{where} is damaged or not a model package", "fetch it again and compare its size")
    try:
        with tarfile.open(package, "r:") as tar:
            manifest_bytes = _next(tar, _MANIFEST, damaged)
            signed = json.loads(_next(tar, _SIGNATURE, damaged))
            key = verify(manifest_bytes, str(signed["key"]), str(signed["signature"]), keys, where)
            manifest = _manifest(manifest_bytes, where)
            missing = dict(manifest.files)
            while (member := tar.next()) is not None:
                if not member.isreg() or member.name not in missing:
                    raise ModelError(f"{where} contains {member.name[:80]!r}, which is not signed", "fetch it again")
                digest, size = missing.pop(member.name)
                _write(tar, member, into / member.name, digest, size, where)
            if missing:
                raise ModelError(f"{where} lacks {sorted(missing)[0]}", "it is truncated; fetch it again")
    except OSError as error:
        raise ModelError(
            f"{where} cannot be read ({error.strerror or error})", "check the path and its permissions"
        ) from error
    except (tarfile.TarError, ValueError, KeyError, TypeError, EOFError) as error:
        raise damaged from error
    return manifest, key


def _next(tar: tarfile.TarFile, name: str, damaged: ModelError) -> bytes:
    member = tar.next()
    if member is None or member.name != name or not member.isreg() or member.size > _MOST_MANIFEST:
        raise damaged
    file = tar.extractfile(member)
    data = file.read() if file is not None else b""
    if len(data) != member.size:
        raise damaged
    return data


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, digest: str, size: int, where: str) -> None:
    source = tar.extractfile(member)
    assert source is not None
    wrong = ModelError(f"{member.name} in {where} is not the file that was signed", "fetch it again")
    if member.size != size:
        raise wrong
    path.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    with path.open("xb") as out:
        while chunk := source.read(1 << 20):
            found.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if found.hexdigest() != digest:
        raise wrong


def _manifest(data: bytes, where: str) -> Manifest:
    """Parse a manifest. Raises ModelError."""
    try:
        content: Any = json.loads(data)
        if content["format"] != FORMAT:
            raise ModelError(
                f"{where} has format {content['format']}, but this program reads format {FORMAT}", "update edge-all"
            )
        files = {str(n): (str(f["sha256"]), int(f["bytes"])) for n, f in content["files"].items()}
        names_fit = all(map(_FILE.fullmatch, files)) and all(0 < size <= _MOST_FILE for _, size in files.values())
        if not (names_fit and _NAME.fullmatch(content["name"]) and _NAME.fullmatch(content["version"])):
            raise ValueError("names or sizes")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the manifest of {where} cannot be read", "sign it again with this edge-all") from error
    for task in TASKS:
        if f"{task}/float.onnx" not in files:
            raise ModelError(f"{where} has no {task}/float.onnx", "a set needs both models; sign it again")
    return Manifest(content["name"], content["version"], files, hashlib.sha256(data).hexdigest())
