"""The certificate of the pages runs out, or is renewed, while the service runs for months."""

import ssl
import subprocess

import pytest

from edge_all.files.state_dir import state_folder
from edge_all.service.certificate_renewal import CertificateRenewal
from edge_all.web.auth.accounts import Account, Accounts, hash_password
from edge_all.web.server import Address, Server


def make(path, name, days):
    """Write a certificate next to its key; with days < 0, one that has expired."""
    key, asked = path.with_name("key.pem"), path.with_name("asked.pem")
    if not key.exists():
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    request = ["openssl", "req", "-new", "-key", str(key), "-subj", f"/CN={name}", "-out", str(asked)]
    subprocess.run(request, check=True, capture_output=True)
    sign = ["openssl", "x509", "-req", "-in", str(asked), "-signkey", str(key), "-days", str(days), "-out", str(path)]
    subprocess.run(sign, check=True, capture_output=True)
    return path, key


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A server with a good certificate, and what looks after it."""
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    Accounts(state_folder() / "users.json").put(Account("ada", "admin", hash_password("a long password")))
    certificate, key = make(tmp_path / "given.pem", "first", 9)
    address = Address("0.0.0.0", 0, certificate, key, ())
    with Server(address, tmp_path / "record", create=True) as server:
        yield server, CertificateRenewal(address, 0.0), certificate


def shown(server):
    """Return the certificate that a browser receives."""
    return ssl.get_server_certificate(("127.0.0.1", server.context.endpoint.port)).strip()


def test_a_renewed_one_is_served_without_a_restart(served):
    server, kept, certificate = served
    before = shown(server)
    assert before == certificate.read_text().strip()
    make(certificate, "renewed", 9)
    assert not kept.is_due(3599.0)
    assert kept.is_due(3601.0)
    assert kept.look(server, 3601.0) is None
    assert before != shown(server) == certificate.read_text().strip()
    assert not kept.is_due(3602.0)


def test_an_expired_certificate_is_replaced_by_a_self_signed_one_until_it_is_renewed(served):
    server, kept, certificate = served
    make(certificate, "old", -1)
    assert "given.pem has expired; using a self-signed one: renew the certificate" in str(kept.look(server, 1.0))
    assert shown(server) == (state_folder() / "tls" / "certificate.pem").read_text().strip()
    make(certificate, "renewed", 9)
    assert kept.look(server, 2.0) is None
    assert shown(server) == certificate.read_text().strip()


def test_an_unusable_certificate_is_reported_and_the_previous_one_stays(served):
    server, kept, certificate = served
    before = shown(server)
    certificate.write_text("half of it")
    assert "cannot be used" in str(kept.look(server, 1.0))
    certificate.unlink()
    assert "still using the previous certificate" in str(kept.look(server, 2.0))
    assert shown(server) == before
