"""Prepare a release: check the tree, the version and the changelog, build wheel and sdist, and tag the commit.

The version is the one in edge_all/_version.py. Nothing is pushed or uploaded; the script prints the commands for that.

    python scripts/release.py --dry-run   # every check and the build, without the tag
    python scripts/release.py
"""

from __future__ import annotations

import argparse
import datetime
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


class ReleaseError(Exception):
    """A reason not to release. The message names the remedy."""


def version_of(root: Path) -> str:
    """Return the version in edge_all/_version.py. Raise ReleaseError if it is missing or malformed."""
    path = root / "edge_all" / "_version.py"
    match = re.search(r'^__version__ = "([^"]+)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
    if not match:
        raise ReleaseError(f'{path} does not set __version__. Add a line __version__ = "X.Y.Z".')
    if not _VERSION.fullmatch(match.group(1)):
        raise ReleaseError(
            f"{path}: {match.group(1)!r} is not a release version. Use X.Y.Z, optionally with aN, bN or rcN."
        )
    return match.group(1)


def check_tree(root: Path) -> None:
    """Raise ReleaseError unless the working tree equals the last commit."""
    if changed := _git(root, "status", "--porcelain"):
        raise ReleaseError(f"The working tree has changes. Commit or remove them:\n{changed}")


def check_tag(root: Path, version: str) -> None:
    """Raise ReleaseError if the version is tagged already or is older than a tagged one."""
    tags = [t for t in _git(root, "tag", "--list", "v*").splitlines() if _VERSION.fullmatch(t[1:])]
    if f"v{version}" in tags:
        raise ReleaseError(f"The tag v{version} exists. Raise the version in edge_all/_version.py.")
    if newer := [t for t in tags if _order(t[1:]) > _order(version)]:
        raise ReleaseError(f"{newer[-1]} is newer than {version}. Raise the version in edge_all/_version.py.")


def notes_of(root: Path, version: str) -> str:
    """Return the changelog's text for a version. Raise ReleaseError if it is missing, undated or empty."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if "## [Unreleased]" not in text:
        raise ReleaseError("CHANGELOG.md has no section '## [Unreleased]'. Add an empty one at the top.")
    match = re.search(rf"^## \[{re.escape(version)}\] - (\S+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if not match:
        today = datetime.date.today().isoformat()
        raise ReleaseError(
            f"CHANGELOG.md has no section for {version}. "
            f"Move the entries of [Unreleased] under '## [{version}] - {today}'."
        )
    try:
        datetime.date.fromisoformat(match.group(1))
    except ValueError:
        raise ReleaseError(f"CHANGELOG.md: the date of {version} is {match.group(1)!r}. Write YYYY-MM-DD.") from None
    if not re.search(r"^- ", match.group(2), re.MULTILINE):
        raise ReleaseError(f"CHANGELOG.md: the section of {version} has no entries. Describe what changed.")
    return match.group(2).strip()


def build(root: Path, version: str) -> list[Path]:
    """Build wheel and sdist into dist/. Raise ReleaseError if the build fails or has another version."""
    dist = root / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(root)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ReleaseError(f"The build failed. Its output:\n{done.stdout}{done.stderr}")
    # The build adds a .gitignore.
    files = sorted(f for f in dist.iterdir() if not f.name.startswith("."))
    expected = {f"edge_all-{version}-py3-none-any.whl", f"edge_all-{version}.tar.gz"}
    if {f.name for f in files} != expected:
        raise ReleaseError(
            f"dist/ holds {[f.name for f in files]} instead of {sorted(expected)}. Check pyproject.toml."
        )
    for file in files:
        if not any(name.endswith("edge_all/_version.py") for name in _names(file)):
            raise ReleaseError(
                f"{file.name} does not contain edge_all/_version.py. Check the packages in pyproject.toml."
            )
    return files


def release(root: Path, *, dry_run: bool) -> None:
    """Check, build and, unless ``dry_run``, tag the last commit."""
    version = version_of(root)
    check_tree(root)
    check_tag(root, version)
    notes = notes_of(root, version)
    print(f"edge-all {version}, commit {_git(root, 'rev-parse', '--short', 'HEAD')}\n\n{notes}\n")
    for file in build(root, version):
        print(f"built dist/{file.name} ({file.stat().st_size / 1e6:.1f} MB)")
    if dry_run:
        print(f"dry run: the commit was not tagged; without --dry-run it becomes v{version}")
        return
    _git(root, "tag", "--annotate", f"v{version}", "--message", f"edge-all {version}\n\n{notes}")
    print(f"tagged v{version}. To publish: git push origin v{version}, then upload the files in dist/.")


def _names(file: Path) -> list[str]:
    if file.suffix == ".whl":
        return zipfile.ZipFile(file).namelist()
    with tarfile.open(file) as archive:
        return archive.getnames()


def _order(version: str) -> tuple[int, int, int, str, int]:
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?", version)
    assert match is not None
    # A final release sorts after its pre-releases.
    return int(match[1]), int(match[2]), int(match[3]), match[4] or "z", int(match[5] or 0)


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"git {' '.join(arguments[:1])} failed: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def main(argv: list[str] | None = None) -> int:
    """Release. Return 1 and print the reason if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="check and build, but do not tag")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout; default: the one of this script")
    options = parser.parse_args(argv)
    try:
        release(options.root, dry_run=options.dry_run)
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
