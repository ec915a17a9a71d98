"""Secrets of addresses are masked wherever an address is shown or stored."""

import pytest

from edge_all.text.uri import has_password, redacted, without_user


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://cam/live", "rtsp://cam/live"),
        ("rtsp://cam:554/live?x=1#y", "rtsp://cam:554/live?x=1#y"),
        ("rtsp://doctor@cam/live", "rtsp://***@cam/live"),
        ("rtsp://doctor:secret@cam/live", "rtsp://***@cam/live"),
        ("rtsp://doctor:p@ss@10.0.0.9:554/live?x=1", "rtsp://***@10.0.0.9:554/live?x=1"),
        ("rtsp://doctor:p/a?s#s@cam/live", "rtsp://***@cam/live"),
        ("rtsp://:secret@cam/live", "rtsp://***@cam/live"),
        ("http://cam:80/path/a@b", "http://cam:80/path/a@b"),
        ("http://[fe80::1]:80/live", "http://[fe80::1]:80/live"),
        ("http://a:b@[fe80::1]:80/live", "http://***@[fe80::1]:80/live"),
        ("http://cam/live?user=a&password=secret&x=1", "http://cam/live?user=a&password=***&x=1"),
        ("http://cam/live?access_token=abc", "http://cam/live?access_token=***"),
        ("http://cam/live?x=1;API-Key=a%20b#top", "http://cam/live?x=1;API-Key=***#top"),
        ("http://u:p@cam/live?auth=abc", "http://***@cam/live?auth=***"),
        (
            "gst:rtspsrc location=rtsp://u:pw@cam/live ! decodebin",
            "gst:rtspsrc location=rtsp://***@cam/live ! decodebin",
        ),
        ("cannot open rtsp://u:pw@cam/a and http://b/?token=c", "cannot open rtsp://***@cam/a and http://b/?token=***"),
        ("postgresql://edge_all:secret@db/edge_all", "postgresql://***@db/edge_all"),
        ("v4l2:/dev/video0?size=640x480", "v4l2:/dev/video0?size=640x480"),
        ("/data/a@b/field.png", "/data/a@b/field.png"),
        ("http://[half", "http://[half"),
        ("", ""),
    ],
)
def test_no_secret_of_an_address_is_shown(uri, shown):
    assert redacted(uri) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("rtsp://ann:secret@10.0.0.9:554/a?x=1", "rtsp://10.0.0.9:554/a?x=1"),
        ("rtsp://***@10.0.0.9:554/a?x=1", "rtsp://10.0.0.9:554/a?x=1"),
        ("http://cam/live?token=abc", "http://cam/live?token=***"),
        ("http://[half", "http://[half"),
        ("v4l2:SN1", "v4l2:SN1"),
    ],
)
def test_the_name_of_a_camera_does_not_depend_on_its_password(uri, name):
    assert without_user(uri) == name
    assert without_user(redacted(uri)) == name


def test_a_password_is_noticed():
    assert has_password("rtsp://u:p@cam/")
    assert not has_password("rtsp://u@cam/")
    assert not has_password("http://[half")
