"""edge-all users, and pages that may not be served."""

import io
import socket

import pytest

from edge_all.domain.roles import PERMISSIONS
from edge_all.i18n.catalog import text
from edge_all.web.auth.accounts import Accounts


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def type_in(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_users_are_added_listed_changed_and_removed(edge_all, monkeypatch, state):
    type_in(monkeypatch, "correct horse\n")
    assert edge_all("users", "add", "Hilde  B.", "--role", "admin", "--password-stdin").exit_code == 0
    assert edge_all("users", "list").stdout == "Hilde B.\tadmin\n"
    accounts = Accounts(state / "users.json")
    assert accounts.check("Hilde B.", "correct horse")
    type_in(monkeypatch, "another battery\n")
    assert edge_all("users", "password", "Hilde B.", "--password-stdin").exit_code == 0
    assert accounts.check("Hilde B.", "correct horse") is None
    assert accounts.check("Hilde B.", "another battery").role == "admin"
    assert edge_all("users", "remove", "Hilde B.").exit_code == 0
    assert edge_all("users", "list").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "typed", "says"),
    [
        (["add", "a", "--password-stdin"], "short\n", "use 10 to 1024 characters"),
        (["add", "", "--password-stdin"], "long enough\n", "invalid user name"),
        (["add", "a\u202eb", "--password-stdin"], "long enough\n", "invalid user name"),
        (["remove", "nobody"], "", "unknown user"),
        (["password", "nobody", "--password-stdin"], "long enough\n", "unknown user"),
    ],
)
def test_an_invalid_request_is_one_line(edge_all, monkeypatch, arguments, typed, says):
    type_in(monkeypatch, typed)
    result = edge_all("users", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_second_user_of_a_name_is_refused(edge_all, monkeypatch):
    for code in (0, 2):
        type_in(monkeypatch, "correct horse\n")
        assert edge_all("users", "add", "a", "--password-stdin").exit_code == code


@pytest.mark.parametrize(
    ("first", "second"), [("hilde", "HILDE"), ("Großmann", "GROSSMANN"), ("Jos\u00e9", "Jose\u0301")]
)
def test_a_name_that_looks_like_another_is_refused(edge_all, monkeypatch, first, second):
    type_in(monkeypatch, "correct horse\n")
    assert edge_all("users", "add", first, "--password-stdin").exit_code == 0
    type_in(monkeypatch, "correct horse\n")
    refused = edge_all("users", "add", second, "--password-stdin")
    assert refused.exit_code == 2
    assert f"user {first!r} already exists" in refused.stderr
    assert edge_all("users", "list").stdout == f"{first}\treviewer\n"


def test_a_password_that_is_piped_needs_the_option(edge_all, monkeypatch, recwarn):
    for arguments in (["add", "a"], ["add", "a", "--password-stdin"], ["password", "a"]):
        type_in(monkeypatch, "correct horse\ncorrect horse\n")
        result = edge_all("users", *arguments)
        if "--password-stdin" not in arguments:
            assert result.exit_code == 2
            assert result.stderr == (
                "edge-all: cannot prompt for a password without a terminal: pipe it in with --password-stdin\n"
            )
    assert not recwarn.list


def test_pages_that_must_not_be_served(edge_all, tmp_path, monkeypatch):
    pytest.importorskip("uvicorn")
    assert "there is no record" in edge_all("review", "--record", tmp_path / "none").stderr
    edge_all("run", "--camera", "sim:?fields=1&frames_per_field=1", record=tmp_path / "r")
    refused = edge_all("review", "--record", tmp_path / "r", "--host", "0.0.0.0", "--port", "0")
    assert refused.exit_code == 2
    assert "requires a user account" in refused.stderr
    web = edge_all("run", "--camera", "sim:", "--web", "0.0.0.0:0", record=tmp_path / "r")
    assert (web.exit_code, "requires a user account" in web.stderr) == (2, True)
    assert "not a valid address" in edge_all("run", "--camera", "sim:", "--web", "x:y", record=tmp_path / "r").stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = edge_all("review", "--record", tmp_path / "r", "--port", taken.getsockname()[1])
    assert busy.exit_code == 2
    assert "cannot listen on" in busy.stderr
    type_in(monkeypatch, "correct horse\n")
    edge_all("users", "add", "a", "--password-stdin")
    given = edge_all("review", "--record", tmp_path / "r", "--host", "0.0.0.0", "--port", "0", "--certificate", "x")
    assert "belong together" in given.stderr
    given = edge_all(
        "review", "--record", tmp_path / "r", "--host", "0.0.0.0", "--port", "0", "--certificate", "x", "--key", "y"
    )
    assert "cannot be used" in given.stderr


def test_each_role_is_explained_in_the_help_and_has_words_on_the_pages(edge_all):
    help_text = " ".join(edge_all("users", "--help").stdout.split())
    for role, permission in PERMISSIONS.items():
        assert f"{role} {permission}" in help_text
        assert text(f"role.{role}")
