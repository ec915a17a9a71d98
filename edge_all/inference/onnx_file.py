"""Model file with its bytes and metadata, read without an inference library."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_all.domain.types import ModelIdentity
from edge_all.errors import ModelError
from edge_all.inference.contract import Contract, read_contract

_METADATA_FIELD = 14
"""Field number of metadata_props in ModelProto (onnx.proto3), each a StringStringEntryProto with key 1 and value 2."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class ModelFile:
    """ONNX file as stored on disk."""

    path: Path
    data: bytes
    metadata: Mapping[str, str]
    contract: Contract
    identity: ModelIdentity

    @property
    def precision(self) -> str:
        """Precision of the export: "float", "fp16", "int8-cpu" or "int8-trt"."""
        return str(self.contract.extra.get("precision", "float"))


def read_model_file(path: Path, task: str) -> ModelFile:
    """Read a model file for a task ("detector" or "classifier").

    Raises:
        ModelError: when the file cannot be read, is not an ONNX file or has no valid contract for the task.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read the model file {path} ({error.strerror})",
            "check --models; it must contain detector/float.onnx and classifier/float.onnx",
        ) from error
    try:
        metadata = dict(_metadata(data))
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} is not an ONNX file", "copy it again from where it was exported, or leave out --models"
        ) from error
    contract = read_contract(metadata, str(path), task)
    identity = ModelIdentity(contract.name, contract.version, hashlib.sha256(data).hexdigest())
    return ModelFile(path, data, metadata, contract, identity)


def _metadata(data: bytes) -> Iterator[tuple[str, str]]:
    for field, value in _fields(data):
        if field == _METADATA_FIELD and value is not None:
            entry = {number: part.decode() for number, part in _fields(value) if part is not None}
            yield entry.get(1, ""), entry.get(2, "")


def _fields(data: bytes) -> Iterator[tuple[int, bytes | None]]:
    """Yield the number and the content (None for numbers) of each field of a protobuf message.

    Raises ValueError or IndexError for a malformed message.
    """
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _BYTES:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("cut off")
            yield tag >> 3, data[at : at + length]
            at += length
            continue
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        yield tag >> 3, None
    if at != len(data):
        raise ValueError("cut off")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("number too long")
