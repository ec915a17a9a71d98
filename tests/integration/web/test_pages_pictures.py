"""Pictures: of this session only, and not sent twice."""

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from tests.helpers.review_record import fill


def test_another_sessions_crop_is_not_given(browser, session, tmp_path):
    other = fill(tmp_path, cells=40)
    assert browser.get(f"/sessions/{other}/cells/33/crop").status_code == 200
    for path in (
        "cells/33/crop",
        "cells/33",
        "cells/33/saliency",
        "cells/33/neighbors",
        "fields/9",
        "cells/1/views/9",
    ):
        assert browser.get(f"/sessions/{session}/{path}").status_code == 404
    for path in (
        f"/sessions/{session}/cells/..%2f..%2frecord.sqlite3/crop",
        f"/sessions/..%2f..%2f{session}/cells/1/crop",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        f"/sessions/{session}/cells/{2**80}",
        f"/sessions/{session}/fields/{2**80}",
    ):
        assert browser.get(path).status_code == 404


def test_pictures_are_asked_for_again_and_not_sent_twice(browser, session):
    path = f"/sessions/{session}/cells/1/crop"
    first = browser.get(path)
    assert first.headers["content-type"] == "image/png"
    assert browser.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert browser.get(f"/sessions/{session}/cells/4/crop").headers["content-type"] == "image/jpeg"  # from its field
    assert browser.get(f"/sessions/{session}/fields/0").content.startswith(b"\xff\xd8")
