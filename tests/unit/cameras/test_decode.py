"""Every file a folder can hold gives RGB pixels or one clear line."""

import os
import struct

import cv2
import numpy as np
import pytest

from edge_all.cameras.decode import UndecodableError, decode_image_file

RED = np.zeros((40, 60, 3), np.uint8)
RED[..., 2] = 200  # OpenCV's order is blue, green, red
RED[:10, :, 0] = 50


def write(path, image, *options):
    assert cv2.imwrite(str(path), image, *options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".jpg", ".webp"])
def test_colors_arrive_as_rgb(tmp_path, suffix):
    decoded = decode_image_file(write(tmp_path / f"a{suffix}", RED))
    assert decoded.shape == (40, 60, 3)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded[30, 30].astype(int) - [200, 0, 0]).max() < 12


def test_gray_becomes_rgb(tmp_path):
    decoded = decode_image_file(write(tmp_path / "a.png", np.full((40, 60), 90, np.uint8)))
    assert (decoded == 90).all()


@pytest.mark.parametrize(("top", "expected"), [(65535, 128), (4095, 128)], ids=["16 bit", "12 bit in 16"])
def test_sixteen_bits_become_eight(tmp_path, top, expected):
    image = np.full((40, 60, 3), top // 2 + 1, np.uint16)
    image[0, 0] = top
    decoded = decode_image_file(write(tmp_path / "a.png", image))
    assert decoded[20, 20, 0] == expected
    assert decoded[0, 0, 0] == 255


def test_transparent_becomes_white(tmp_path):
    image = np.zeros((40, 60, 4), np.uint8)
    image[:, 30:, 3] = 255
    decoded = decode_image_file(write(tmp_path / "a.png", image))
    assert (decoded[:, :30] == 255).all()
    assert (decoded[:, 30:] == 0).all()


def test_exif_orientation_does_not_turn_the_pixels(tmp_path):
    path = write(tmp_path / "a.jpg", RED)
    data = path.read_bytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    assert decode_image_file(path).shape == (40, 60, 3)


def _huge_png() -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + struct.pack(">II", 20000, 20000)
        + b"\x08\x02"
        + b"\0" * 60
    )


def _huge_jpeg() -> bytes:
    data = bytearray(cv2.imencode(".jpg", RED)[1].tobytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 20000, 20000)
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.jpg", b"", "is empty"),
        ("text.jpg", b"not an image at all", "is not a JPEG"),
        ("short.png", cv2.imencode(".png", RED)[1].tobytes()[:60], "truncated"),
        (
            "short.jpg",
            cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))[1].tobytes()[:900],
            "truncated",
        ),
        ("one.png", cv2.imencode(".png", RED[:1, :1])[1].tobytes(), "1x1"),
        ("huge.png", _huge_png(), "20000x20000"),
        ("huge.jpg", _huge_jpeg(), "20000x20000"),
        ("header.png", b"\x89PNG\r\n\x1a\n", "damaged"),
        ("header.tif", b"II*\0\xff\xff\xff\x7f", "damaged"),
    ],
)
def test_a_file_that_is_not_an_image_is_reported_in_one_line(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UndecodableError, match=says) as error:
        decode_image_file(path)
    assert "\n" not in str(error.value)
    assert ";" in str(error.value), "a remedy follows"


def test_a_file_that_is_gone(tmp_path):
    with pytest.raises(UndecodableError, match="cannot be read"):
        decode_image_file(tmp_path / "gone.png")


def test_a_pipe_among_images_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UndecodableError, match="not a regular file"):
        decode_image_file(tmp_path / "pipe.png")
