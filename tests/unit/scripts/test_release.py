"""The release script on a small project of the same shape: what it refuses, what it builds, what it tags."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "release.py"
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-30\n\n### Added\n\n- Cells are counted.\n"
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "edge-all"
dynamic = ["version"]
requires-python = ">=3.10"
[tool.hatch.version]
path = "edge_all/_version.py"
[tool.hatch.build.targets.wheel]
packages = ["edge_all"]
"""


def git(root, *arguments):
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    return subprocess.run(["git", "-C", root, *who, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.org")
    root = tmp_path / "project"
    (root / "edge_all").mkdir(parents=True)
    (root / "edge_all" / "__init__.py").touch()
    (root / "edge_all" / "_version.py").write_text('__version__ = "0.2.0"\n')
    (root / "CHANGELOG.md").write_text(CHANGELOG)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / ".gitignore").write_text("dist/\n")
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root)
    return root


def commit(root):
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Change something")


def release(root, *arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, "--root", root, *arguments], capture_output=True, text=True, check=False
    )


def test_a_dry_run_builds_and_does_not_tag(project):
    done = release(project, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert sorted(f.name for f in (project / "dist").glob("edge_all*")) == [
        "edge_all-0.2.0-py3-none-any.whl",
        "edge_all-0.2.0.tar.gz",
    ]
    assert "Cells are counted." in done.stdout
    assert git(project, "tag") == ""


def test_a_release_is_tagged_with_its_notes_and_not_twice(project):
    assert release(project).returncode == 0
    assert git(project, "tag") == "v0.2.0\n"
    assert "Cells are counted." in git(project, "tag", "-n9", "v0.2.0")
    again = release(project)
    assert again.returncode == 1
    assert "The tag v0.2.0 exists" in again.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("edge_all/_version.py", "0.2.0", "next", "is not a release version"),
        ("edge_all/_version.py", "__version__", "version", "does not set __version__"),
        ("edge_all/_version.py", "0.2.0", "0.3.0", "has no section for 0.3.0"),
        ("CHANGELOG.md", "2026-11-30", "unreleased", "Write YYYY-MM-DD"),
        ("CHANGELOG.md", "- Cells are counted.", "", "has no entries"),
        ("CHANGELOG.md", "## [Unreleased]", "", "has no section '## [Unreleased]'"),
        ("pyproject.toml", 'name = "edge-all"', 'name = "other"', "instead of"),
    ],
)
def test_a_project_that_is_not_ready_is_refused(project, file, old, new, reason):
    path = project / file
    path.write_text(path.read_text().replace(old, new))
    commit(project)
    done = release(project, "--dry-run")
    assert done.returncode == 1
    assert reason in done.stderr
    assert git(project, "tag") == ""


def test_an_uncommitted_change_is_refused(project):
    (project / "edge_all" / "new.py").touch()
    done = release(project, "--dry-run")
    assert done.returncode == 1
    assert "The working tree has changes" in done.stderr


@pytest.mark.parametrize(("tagged", "refused"), [("v0.10.0", True), ("v0.2.1rc1", True), ("v0.2.0rc1", False)])
def test_a_version_older_than_a_tag_is_refused(project, tagged, refused):
    git(project, "tag", tagged)
    done = release(project, "--dry-run")
    assert done.returncode == int(refused)
    assert ("is newer than 0.2.0" in done.stderr) == refused


def test_the_version_of_this_repository_is_written_once():
    import edge_all

    root = SCRIPT.parents[1]
    assert f'__version__ = "{edge_all.__version__}"' in (root / "edge_all" / "_version.py").read_text()
    for name in ("pyproject.toml", "edge_all/__init__.py", "CITATION.cff"):
        assert edge_all.__version__ not in (root / name).read_text()
