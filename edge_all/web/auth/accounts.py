"""User accounts: names, roles and password hashes in one file of the state folder."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_all.domain.roles import ROLES, rank
from edge_all.errors import EdgeAllError, UsageError
from edge_all.files.atomic_write import write_atomically
from edge_all.files.state_dir import state_folder

LEAST_PASSWORD = 10
MOST_PASSWORD = 1024
NAME_LENGTH = 64
# RFC 7914. Each guess costs 16 MiB and about 50 ms on a small computer.
_N, _R, _P = 2**14, 8, 1
_NOBODY = "scrypt$16384$8$1$" + "AAAA" * 6 + "$" + "AAAA" * 10 + "AAA="


@dataclass(frozen=True)
class Account:
    """Account of one person. password_hash: "scrypt$N$r$p$salt$hash", salt and hash in base64."""

    name: str
    role: str
    password_hash: str

    def may(self, role: str) -> bool:
        """Return True if this account has at least this role."""
        return rank(self.role) >= rank(role)


def accounts_file() -> Path:
    """Return the path of users.json in the state folder."""
    return state_folder() / "users.json"


def check_name(name: str) -> str:
    """Return the name with its white space normalized.

    Raises:
        UsageError: when the name is empty, too long or not printable.
    """
    kept = " ".join(name.split())
    if not kept or len(kept) > NAME_LENGTH or not kept.isprintable():
        raise UsageError("invalid user name", f"use 1 to {NAME_LENGTH} printable characters")
    return kept


def _alike(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def hash_password(password: str) -> str:
    """Hash a password with a random salt.

    Raises:
        UsageError: when the password is too short or too long.
    """
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise UsageError("the password is too short or too long", f"use {LEAST_PASSWORD} to {MOST_PASSWORD} characters")
    salt = secrets.token_bytes(18)
    return f"scrypt${_N}${_R}${_P}${_text(salt)}${_text(_scrypt(password, salt, _N, _R, _P))}"


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    data = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=64 << 20, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _matches(password: str, password_hash: str) -> bool:
    try:
        kind, n, r, p, salt, wanted = password_hash.split("$")
        if kind != "scrypt" or len(password) > MOST_PASSWORD:
            return False
        found = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
        return hmac.compare_digest(found, base64.b64decode(wanted))
    except ValueError:
        return False


class Accounts:
    """Accounts in the users file. It is reread on change, so 'edge-all users' works while pages are served."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._accounts: dict[str, Account] = {}

    def all(self) -> dict[str, Account]:
        """Return all accounts by name.

        Raises:
            EdgeAllError: when the file is damaged. No one can log in then.
        """
        try:
            status = self._file.stat()
        except FileNotFoundError:
            self._seen, self._accounts = None, {}
            return {}
        seen = (status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._accounts = self._read()
            self._seen = seen
        return self._accounts

    def find(self, name: str) -> Account | None:
        """Return the account with this name, or None."""
        return self.all().get(name)

    def find_like(self, name: str) -> Account | None:
        """Return an account whose name differs only in case or Unicode composition."""
        return next((a for a in self.all().values() if _alike(a.name) == _alike(name)), None)

    def check(self, name: str, password: str) -> Account | None:
        """Return the account if the password is right, else None. An unknown name takes as long as a wrong password."""
        account = self.find(name)
        right = _matches(password, account.password_hash if account else _NOBODY)
        return account if right else None

    def put(self, account: Account) -> None:
        """Add or replace an account."""
        self._write({**self.all(), account.name: account})

    def remove(self, name: str) -> None:
        """Remove an account.

        Raises:
            UsageError: when there is no account with this name.
        """
        left = dict(self.all())
        if left.pop(name, None) is None:
            raise UsageError(f"unknown user {name!r}", "list the users with 'edge-all users list'")
        self._write(left)

    def _read(self) -> dict[str, Account]:
        try:
            rows: list[dict[str, Any]] = json.loads(self._file.read_text(encoding="utf-8"))["users"]
            found = [Account(str(r["name"]), str(r["role"]), str(r["password"])) for r in rows]
            if any(a.role not in ROLES for a in found):
                raise ValueError("unknown role")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EdgeAllError(
                f"the users in {self._file} cannot be read", "fix the file, or remove it and add the users again"
            ) from error
        return {a.name: a for a in found}

    def _write(self, accounts: dict[str, Account]) -> None:
        rows = [{"name": a.name, "role": a.role, "password": a.password_hash} for a in accounts.values()]
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._file, json.dumps({"users": rows}, indent=1).encode())
        except OSError as error:
            raise EdgeAllError(
                f"the users cannot be written to {self._file} ({error.strerror})", "check the permissions of its folder"
            ) from error
