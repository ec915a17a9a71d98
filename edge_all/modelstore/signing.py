"""Ed25519 signatures of model sets, and the keys a device trusts."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_all.errors import EdgeAllError, ModelError, UsageError
from edge_all.files.state_dir import state_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SYSTEM_KEYS = Path("/etc/edge-all/trusted-keys")
_PURPOSE = b"edge-all model set 1\n"
"""Prefix that is signed together with the manifest, so that a signature made for another purpose is never accepted."""


@dataclass(frozen=True)
class PublicKey:
    """Public key with the name of its file and its fingerprint (SHA-256 of its 32 bytes, hexadecimal)."""

    name: str
    fingerprint: str
    key: Ed25519PublicKey

    @classmethod
    def of(cls, key: Ed25519PublicKey, name: str) -> PublicKey:
        """Create the object from a key, computing the fingerprint."""
        return cls(name, hashlib.sha256(key.public_bytes_raw()).hexdigest(), key)


def trusted_folders() -> tuple[Path, ...]:
    """Return the folders of the device's own keys and of the administrator's."""
    return state_folder() / "trusted-keys", SYSTEM_KEYS


def trusted_keys(folders: Iterable[Path] | None = None) -> list[PublicKey]:
    """Return every key that this device trusts.

    Raises:
        ModelError: when a file is not a valid public key.
    """
    found = [p for folder in (folders or trusted_folders()) for p in sorted(folder.glob("*.pem"))]
    return [read_public_key(path) for path in found]


def read_public_key(path: Path) -> PublicKey:
    """Read an Ed25519 public key (PEM).

    Raises:
        ModelError: when the file cannot be read or is not an Ed25519 public key.
        EdgeAllError: when the package cryptography is not installed.
    """
    serialization, ed25519 = _cryptography()
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"the key {path} cannot be read ({error.strerror})", "check the path and its permissions"
        ) from error
    except ValueError as error:
        raise ModelError(
            f"{path} is not a public key", "use the .pub.pem file written by 'edge-all models new-key'"
        ) from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ModelError(f"{path} is not an Ed25519 key", "create one with 'edge-all models new-key'")
    return PublicKey.of(key, path.name)


def trust(path: Path) -> PublicKey:
    """Add a public key to the device's trusted keys.

    Raises:
        ModelError: when the file is not a valid public key.
    """
    key = read_public_key(path)
    folder = trusted_folders()[0]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{key.fingerprint[:16]}.pem").write_bytes(path.read_bytes())
    return key


def new_key(path: Path, passphrase: str | None) -> PublicKey:
    """Write a private key (PKCS #8, readable only by its owner) and the public key next to it as PATH.pub.pem.

    Raises:
        UsageError: when the file already exists or cannot be written.
    """
    serialization, ed25519 = _cryptography()
    key = ed25519.Ed25519PrivateKey.generate()
    sealed = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
    except FileExistsError as error:
        raise UsageError(f"{path} already exists", "choose another file; a key is never overwritten") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror})", "choose another file") from error
    public_path(path).write_bytes(public)
    return PublicKey.of(key.public_key(), path.name)


def public_path(private: Path) -> Path:
    """Return the path of the public key next to a private key."""
    return private.with_name(private.name.removesuffix(".pem") + ".pub.pem")


def sign(manifest: bytes, private_key: Path, passphrase: str | None) -> tuple[str, str]:
    """Sign a manifest and return the key's fingerprint and the signature (base64).

    Raises:
        UsageError: when the private key cannot be read or opened.
    """
    serialization, ed25519 = _cryptography()
    try:
        key = serialization.load_pem_private_key(private_key.read_bytes(), passphrase.encode() if passphrase else None)
    except OSError as error:
        raise UsageError(f"the key {private_key} cannot be read ({error.strerror})", "check --key") from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"the key {private_key} cannot be opened", "check the file and the passphrase") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise UsageError(f"{private_key} is not an Ed25519 key", "create one with 'edge-all models new-key'")
    return _fingerprint(key), base64.b64encode(key.sign(_PURPOSE + manifest)).decode()


def needs_passphrase(private_key: Path) -> bool:
    """Return whether the private key is protected by a passphrase."""
    try:
        return b"ENCRYPTED" in private_key.read_bytes()
    except OSError:
        return False


def verify(manifest: bytes, fingerprint: str, signature: str, keys: Iterable[PublicKey], where: str) -> PublicKey:
    """Verify a signature and return the trusted key that made it. ``where`` names the package in errors.

    Raises:
        ModelError: when the key is not trusted or the signature is wrong.
    """
    from cryptography.exceptions import InvalidSignature

    trusted = list(keys)
    key = next((k for k in trusted if k.fingerprint == fingerprint), None)
    if key is None:
        known = f"trusted keys: {', '.join(k.fingerprint[:16] for k in trusted)}" if trusted else "no key is trusted"
        raise ModelError(
            f"{where} is signed by the key {fingerprint[:16]}, which this device does not trust ({known})",
            "compare the fingerprint with the signer, then run 'edge-all models trust KEY.pub.pem'",
        )
    try:
        key.key.verify(base64.b64decode(signature, validate=True), _PURPOSE + manifest)
    except (InvalidSignature, ValueError) as error:
        raise ModelError(
            f"the signature of {where} is wrong", "it was changed or damaged in transfer; fetch it again"
        ) from error
    return key


def _fingerprint(key: Ed25519PrivateKey) -> str:
    return PublicKey.of(key.public_key(), "").fingerprint


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as error:
        raise EdgeAllError(
            "signatures need the package cryptography, which is not installed", "pip install 'edge-all[service]'"
        ) from error
    return serialization, ed25519
