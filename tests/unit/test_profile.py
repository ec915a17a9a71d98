"""Profiles say what is wrong, where."""

import pytest

from edge_all.errors import ProfileError
from edge_all.profile import load_profile, shipped_profiles


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_loads(name):
    assert load_profile(name).name == name


def test_the_default_is_the_simulated_microscope():
    assert load_profile().camera == "sim:"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("camra = 'sim:'", "line 1: unknown key 'camra': did you mean camera"),
        ("camera = 3", "must be text"),
        ("[optics]\num_per_px = 0", "line 2.*from 0.01 to 2"),
        ("[optics]\num_per_pixel = 1", "did you mean um_per_px"),
        ("[engine]\nthreads = 1.5", "a whole number"),
        ("[engines]\nname = 'x'", "did you mean engine"),
        ("[gate\n", "is no TOML"),
        ("[gate]\nmin_sharpness = true", "a number"),
    ],
)
def test_a_wrong_profile_names_the_line(tmp_path, text, says):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=says):
        load_profile(path)


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(ProfileError, match="did you mean default"):
        load_profile("defualt")


def test_values_arrive(tmp_path):
    path = tmp_path / "bench.toml"
    path.write_text("camera = 'x.png'\n[optics]\num_per_px = 0.2\n[gate]\nmin_sharpness = 0.7\n")
    profile = load_profile(path)
    assert (profile.name, profile.camera, profile.um_per_px, profile.gate.min_sharpness) == ("bench", "x.png", 0.2, 0.7)
