"""The parts of the pages that need no page: accounts, limits, texts, agreement, appearance, live view, certificate."""

import re
import stat
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge_all
from edge_all.domain.labels import KINDS as KIND_TABLE
from edge_all.domain.labels import LABELS as TABLE
from edge_all.domain.roles import ROLES
from edge_all.domain.types import Counts, Frame
from edge_all.errors import EdgeAllError, UsageError
from edge_all.field.gate import Skip
from edge_all.i18n.catalog import load_texts, text
from edge_all.record.events.verdicts import Verdict
from edge_all.record.queries import CellLabel
from edge_all.reports.fab_features import FEATURES, FORMS
from edge_all.review.cell_filter import Choice, chosen
from edge_all.review.similarity import Appearance, describe, nearest
from edge_all.session.commands import SAMPLE_LENGTH, CommandQueue, NameSample, Pause, Start, Stop
from edge_all.session.field_result import FieldResult
from edge_all.session.progress import Progress
from edge_all.text.display_text import shown
from edge_all.web.auth.accounts import Account, Accounts, hash_password
from edge_all.web.auth.browser_sessions import BrowserSessions
from edge_all.web.auth.rate_limit import LoginRateLimit
from edge_all.web.label_style import label_css
from edge_all.web.live import live_view
from edge_all.web.live.live_view import LiveView
from edge_all.web.server import Address, parse_address
from edge_all.web.templating import _environment
from tests.helpers.cells import make_cell, make_counts

LABELS, KINDS = [row.key for row in TABLE], [row.key for row in KIND_TABLE]
EDGE_ALL = Path(edge_all.__file__).parent
WEB = EDGE_ALL / "web"


# -- accounts ------------------------------------------------------------------------------------------------


def test_a_password_is_checked_and_never_kept(tmp_path):
    accounts = Accounts(tmp_path / "state" / "users.json")
    accounts.put(Account("hilde", "admin", hash_password("correct horse")))
    kept = (tmp_path / "state" / "users.json").read_text()
    assert "correct horse" not in kept
    assert stat.S_IMODE((tmp_path / "state" / "users.json").stat().st_mode) == 0o600
    assert accounts.check("hilde", "correct horse").role == "admin"
    for name, password in (("hilde", "correct horsf"), ("hilde", ""), ("Hilde", "correct horse"), ("", "x" * 5000)):
        assert accounts.check(name, password) is None
    assert hash_password("correct horse") != hash_password("correct horse")


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_a_password_of_no_worth_is_refused(password):
    with pytest.raises(UsageError):
        hash_password(password)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"users": [{"name": "a", "role": "king", "password": "x"}]}'])
def test_damaged_users_are_an_error_not_an_open_door(tmp_path, content):
    (tmp_path / "users.json").write_text(content)
    with pytest.raises(EdgeAllError, match="cannot be read"):
        Accounts(tmp_path / "users.json").check("a", "b")


@pytest.mark.parametrize(
    "kept", ["", "scrypt$1$2", "md5$a$b$c$d$e", "scrypt$x$8$1$AAAA$AAAA", "scrypt$3$8$1$AAAA$AAAA"]
)
def test_an_invalid_hash_matches_nothing(tmp_path, kept):
    accounts = Accounts(tmp_path / "users.json")
    accounts.put(Account("a", "viewer", kept))
    assert accounts.check("a", "") is None


def test_each_role_includes_the_permissions_of_those_before_it():
    account = Account("a", "reviewer", "")
    assert [account.may(role) for role in ROLES] == [True, True, False]


def test_the_wait_grows_and_is_forgiven():
    now = [0.0]
    limits = LoginRateLimit(lambda: now[0])
    waits = []
    for _ in range(12):
        limits.wrong(["a"])
        waits.append(limits.wait_s(["a", "b"]))
    assert waits == [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]
    assert limits.wait_s(["b"]) == 0
    now[0] += 901
    assert limits.wait_s(["a"]) == 0
    limits.right(["a"])
    limits.wrong(["a"])
    assert limits.wait_s(["a"]) == 0


def test_visitors_are_bounded_and_forgotten():
    now = [0.0]
    browser_sessions = BrowserSessions(lambda: now[0])
    named = browser_sessions.welcome()
    named.given_name = "Ada"
    for _ in range(1500):
        browser_sessions.welcome()
    assert len(browser_sessions._visitors) == 1000
    assert browser_sessions.find(named.token) is named
    assert browser_sessions.find("forged") is None
    now[0] += 13 * 3600
    assert browser_sessions.find(named.token) is None


# -- texts ---------------------------------------------------------------------------------------------------


def sources():
    rooms = ("web", "review", "reports", "qc")
    return [*WEB.rglob("*.html"), *(path for room in rooms for path in (EDGE_ALL / room).rglob("*.py"))]


def test_every_text_is_in_the_catalog_and_used():
    texts, used, built = load_texts(), set(), set()
    for path in sources():
        content = path.read_text()
        used |= set(re.findall(r"\b(?:t|text)\(\s*f?['\"]([a-z_]+\.[a-z_0-9]+)['\"](?! \+)", content))
        used |= set(re.findall(r"\b_plain_refusal\(headers, \"([a-z_]+\.[a-z_0-9]+)\"", content))
        built |= set(re.findall(r"\b(?:t|text)\(\s*'([a-z_]+\.[a-z_]*)' \+", content))
        built |= set(re.findall(r"(?:text\(|get\(|= |words=)f\"([a-z_]+\.)\{", content))
    assert used <= set(texts), used - set(texts)
    unused = {n for n in texts if n not in used and not n.startswith(tuple(built))}
    assert unused == set()
    for group, names in (
        ("label", LABELS), ("labels", LABELS), ("kind", KINDS), ("kinds", KINDS), ("meaning", LABELS), ("role", ROLES),
        ("form_rule", FORMS), ("feature", FEATURES), ("feature_rule", FEATURES),
    ):  # fmt: skip
        assert {f"{group}.{n}" for n in names} <= set(texts)


def test_templates_contain_no_text():
    for path in WEB.rglob("templates/**/*.html"):
        bare = re.sub(
            r"{% block kind %}[a-z-]+|/[a-z]+|\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<[^>]*>",
            " ",
            path.read_text(),
            flags=re.DOTALL,
        )
        words = set(re.findall(r"[A-Za-z]{2,}", bare))
        assert words <= {"nbsp", "DOCTYPE"}, path.name


def test_displayed_text_is_one_harmless_line():
    assert shown("a\nb\x1b\u202e") == "a b\ufffd\ufffd"
    assert shown("x" * 10_000) == "x" * 200 + "... (10000 characters)"
    assert shown(None) == ""


def test_every_label_has_a_shape_and_a_color():
    marks = _environment().get_template("partials/marks.html").render()
    style = label_css()
    shapes = [re.search(rf'id="mark-{label}"[^>]*>(.*?)</symbol>', marks)[1] for label in LABELS]
    assert len(set(shapes)) == len(LABELS)
    assert all(f".mark.{label}" in style for label in LABELS)
    for colors in ("picture", "ring", "light", "dark"):
        assert len({getattr(row.colors, colors) for row in TABLE}) == len(LABELS)


# -- counts --------------------------------------------------------------------------------------------------


def verdict(cell, label, kind=None):
    return Verdict(cell, "s", cell, "Ada", False, label, kind, 1.0)


def test_blasts_come_first_by_probability():
    cells = [
        CellLabel(1, "normal", 0.3),
        CellLabel(2, "blast", 0.9),
        CellLabel(3, "smudge", None),
        CellLabel(4, "blast", 0.95),
    ]
    assert chosen(cells, {}, Choice()) == [4, 2, 1, 3]
    assert chosen(cells, {1: verdict(1, "blast")}, Choice("blast")) == [4, 2, 1]


# -- appearance ----------------------------------------------------------------------------------------------


def portrait(color, radius):
    image = np.full((192, 192, 3), 215, np.uint8)
    cv2.circle(image, (96, 96), radius, color, -1)
    cv2.circle(image, (120, 80), radius // 4, (255, 255, 255), -1)
    return image


def test_neighbors_look_alike_however_they_are_turned():
    violet, turned = portrait((90, 40, 130), 50), portrait((90, 40, 130), 50)[::-1, ::-1].copy()
    red = portrait((190, 60, 60), 50)
    assert np.abs(describe(violet, 10) - describe(turned, 10)).max() < 1.0
    vectors = {1: describe(violet, 10), 2: describe(red, 10), 3: describe(turned, 10)}
    assert nearest(vectors, 1) == [3, 2]
    assert nearest(vectors, 9) == []
    assert nearest({1: vectors[1]}, 1) == []


def test_a_sharper_view_is_described_again(tmp_path):
    def row(number, x=1.0):
        return {"session": "s", "cell": number, "crop": f"{number}.png", "frame_index": 0, "x_px": x, "size_um": 10.0}

    for number, color in ((1, (90, 40, 130)), (2, (92, 40, 130)), (3, (190, 60, 60))):
        cv2.imwrite(str(tmp_path / f"{number}.png"), portrait(color, 50)[..., ::-1])
    appearance = Appearance()
    rows = [row(1), row(2), row(3)]
    assert appearance.neighbors(tmp_path, rows, 1) == [2, 3]
    cv2.imwrite(str(tmp_path / "2.png"), portrait((40, 190, 60), 30)[..., ::-1])
    assert appearance.neighbors(tmp_path, [row(1), row(2, 2.0), row(3)], 1) == [3, 2]
    (tmp_path / "3.png").write_bytes(b"damaged")
    assert appearance.neighbors(tmp_path, [row(1), row(2, 2.0), row(3, 2.0)], 1) == [2]
    assert appearance.neighbors(tmp_path, [], 1) == []


# -- commands ------------------------------------------------------------------------------------------------


def test_commands_come_out_in_order_and_are_bounded():
    queue = CommandQueue()
    assert queue.put(Start("S1"))
    assert queue.put(Pause())
    assert queue.wait(0)
    assert queue.take() == [Start("S1"), Pause()]
    assert queue.take() == []
    assert not queue.wait(0)
    assert [queue.put(Stop()) for _ in range(20)] == [True] * 16 + [False] * 4


@pytest.mark.parametrize("sample", ["", "  ", "a\nb", "a\u202eb", "x" * (SAMPLE_LENGTH + 1)])
@pytest.mark.parametrize("command", [Start, NameSample])
def test_an_invalid_sample_id_is_refused(command, sample):
    with pytest.raises(UsageError):
        command(sample)


# -- the live view -------------------------------------------------------------------------------------------


def progress(index=0, skip=None, session="s", value=200):
    frame = Frame(np.full((720, 1280, 3), value, np.uint8), index, 0.0, f"f{index}")
    result = FieldResult(frame, skip=Skip(index, "f", skip or "moving"), cells=(make_cell(),))
    return Progress(session, "f", make_counts(fields=1, blasts=2, normals=3), (), result=result)


def test_the_newest_picture_is_drawn_once_for_all(monkeypatch):
    drawn = []
    draw = live_view._draw
    monkeypatch.setattr(live_view, "_draw", lambda shown: drawn.append(shown.frame.index) or draw(shown))
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    live = LiveView()
    assert live.picture() is None
    assert live.counts() is None
    for index in range(50):  # no viewer, so nothing is drawn
        live.take(progress(index))
    assert drawn == []
    first = live.picture()
    assert [live.picture() for _ in range(4)] == [first] * 4
    live.take(progress(50))
    assert live.picture() == first, "not more than ten a second"
    assert not live.has_newer(first[0])
    assert live.has_newer(-1)
    now[0] += 60
    assert live.has_newer(first[0])
    assert live.picture()[0] == first[0] + 1
    assert drawn == [49, 50]
    image = cv2.imdecode(np.frombuffer(first[1], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (540, 960, 3)


def test_the_counts_are_those_of_the_newest_frame_and_of_one_session():
    live = LiveView()
    live.take(progress(0, "out of focus"))
    counted = live.counts()
    assert (counted.gate, counted.counts.blasts, counted.session_id) == ("out of focus", 2, "s")
    live.take(progress(0, session="t"))
    assert live.counts().session_id == "t"
    live.take(Progress("t", "x", Counts(), (), "damaged"))
    assert live.counts().gate == "unreadable"


# -- the address ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ("", "127.0.0.1", 8080),
        ("9000", "127.0.0.1", 9000),
        (":9000", "127.0.0.1", 9000),
        ("0.0.0.0", "0.0.0.0", 8080),
        ("scope.local:81", "scope.local", 81),
        ("[::1]:81", "::1", 81),
        ("[::]", "::", 8080),
    ],
)
def test_addresses(given, host, port):
    assert parse_address(given) == (host, port)


@pytest.mark.parametrize("given", ["a:b", "host:99999", "127.0.0.1:-1", "[::1]:x"])
def test_an_invalid_address_is_refused(given):
    with pytest.raises(UsageError, match="not a valid address"):
        parse_address(given)


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.evil", False),
        ("127.evil.example", False),
    ],
)
def test_which_addresses_are_this_machine_alone(host, alone):
    assert Address(host).loopback is alone


def test_the_self_signed_certificate_is_made_once_and_its_key_is_private(tmp_path):
    import ssl

    from edge_all.web.tls.certificate import fingerprint, own_certificate, tls_context

    certificate, key = own_certificate(tmp_path / "tls", "192.0.2.5")
    made = certificate.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(certificate.stat().st_mode) == 0o600
    assert key.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert own_certificate(tmp_path / "tls", "192.0.2.5") == (certificate, key)
    assert certificate.read_bytes() == made
    assert tls_context(certificate, key).minimum_version == ssl.TLSVersion.TLSv1_2
    assert re.fullmatch("[0-9A-F]{64}", fingerprint(certificate))
    with pytest.raises(UsageError, match="cannot be used"):
        tls_context(certificate, certificate)


def test_the_self_signed_certificate_covers_every_name_in_use_and_is_remade_for_a_new_one(tmp_path, monkeypatch):
    from edge_all.web.tls import certificate as module

    monkeypatch.setattr("socket.gethostname", lambda: "Scope")
    monkeypatch.setattr(module, "own_addresses", lambda: {"192.0.2.5", "2001:db8::5"})

    def made(*names, host="0.0.0.0"):
        file, _ = module.own_certificate(tmp_path / "tls", host, names)
        return file.read_bytes(), module.certificate_names(file)

    first, names = made("Mikroskop.klinik.example", "198.51.100.7")
    assert names == {
        *("DNS:localhost", "IP:127.0.0.1", "DNS:scope", "DNS:scope.local", "IP:192.0.2.5", "IP:2001:db8::5"),
        *("DNS:mikroskop.klinik.example", "IP:198.51.100.7"),
    }
    assert made("198.51.100.7")[0] == first
    monkeypatch.setattr(module, "own_addresses", lambda: {"192.0.2.9"})
    second, moved = made()
    assert second != first
    assert moved == names | {"IP:192.0.2.9"}
    monkeypatch.setattr(module, "own_addresses", lambda: {"192.0.2.5"})
    assert made()[0] == second
    assert "DNS:labor.example" in made(host="labor.example")[1]
    assert {p.name for p in (tmp_path / "tls").iterdir()} == {"certificate.pem", "key.pem"}
    assert "DNS:xn--mller-kva.example" in made("müller.example")[1]
    for wrong in ("a,DNS:evil", "https://a", "a b", "", "a:8443", "x" * 64):
        with pytest.raises(UsageError, match="not a valid host name"):
            made(wrong)


def test_the_self_signed_certificate_has_the_form_that_browsers_accept(tmp_path):
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    from edge_all.web.tls.certificate import own_certificate

    file, _ = own_certificate(tmp_path / "tls", "192.0.2.5")
    made = x509.load_pem_x509_certificate(file.read_bytes())
    key = made.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == 825
    assert made.subject == made.issuer
    assert made.subject.rfc4514_string() == "CN=edge-all"
    made.verify_directly_issued_by(made)


def test_a_new_certificate_replaces_one_that_is_damaged_or_about_to_expire(tmp_path, monkeypatch):
    from datetime import datetime, timedelta

    from edge_all.web.tls import certificate as module

    file, _ = module.own_certificate(tmp_path / "tls", "192.0.2.5")
    file.write_text("half of it")
    assert module.certificate_names(file) == set()
    assert not module.expired(file), "a damaged file is a different fault"
    module.own_certificate(tmp_path / "tls", "192.0.2.5")
    made = file.read_bytes()
    assert b"BEGIN CERTIFICATE" in made

    class Later(datetime):
        days: float = 0

        @classmethod
        def now(cls, zone=None):
            return datetime.now(zone) + timedelta(days=cls.days)

    monkeypatch.setattr(module, "datetime", Later)
    for days, again in ((823, False), (824.5, True)):
        Later.days = days
        module.own_certificate(tmp_path / "tls", "192.0.2.5")
        assert (file.read_bytes() != made) is again
    file.write_bytes(made)
    for days, over in ((824.9, False), (826, True)):
        Later.days = days
        assert module.expired(file) is over
    assert not module.expired(tmp_path / "missing.pem")


def test_without_cryptography_one_line_says_what_to_install(tmp_path, monkeypatch):
    import sys

    from edge_all.errors import EdgeAllError
    from edge_all.web.tls.certificate import own_certificate

    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(EdgeAllError, match=r"cryptography.* is not installed: pip install 'edge-all\[web\]'"):
        own_certificate(tmp_path / "tls", "192.0.2.5")


def test_the_machines_addresses_are_those_that_others_reach(tmp_path, monkeypatch):
    from edge_all.web.tls import addresses as module

    listed = tmp_path / "if_inet6"
    listed.write_text(
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "20010db8000000000000000000000002 02 40 00 80     eth0\n"
        "20010db80000000012345678abcdef00 02 40 00 01     eth0\n"
        "fe80000000000000000000000000abcd 02 40 20 80     eth0\n"
    )
    monkeypatch.setattr(module, "_IPV6", listed)
    found = module.own_addresses()
    assert {a for a in found if ":" in a} == {"2001:db8::2"}
    assert "127.0.0.1" not in found


def test_texts_are_filled_in():
    assert text("live.goal", left=3, goal=100) == "3 more cells to reach 100"
    with pytest.raises(KeyError):
        text("no.such")
