"""The page on the architecture names every package, and only files and folders that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def row_of(table, package):
    (section,) = re.findall(rf"^\| package in `{table}/` \|.*?(?=\n\n)", PAGE, re.MULTILINE | re.DOTALL)
    rows = [line for line in section.splitlines() if line.startswith(f"| `{package}/` |")]
    return rows[0] if rows else None


def packages(folder):
    return [p.parent for p in sorted(folder.glob("*/__init__.py"))]


def test_every_package_and_the_packages_in_it_are_described():
    for table in ("edge_all", "export/edge_all_export"):
        for package in packages(ROOT / table):
            row = row_of(table, package.name)
            assert row is not None, f"{table}/{package.name} is not in docs/architecture.md"
            for inner in packages(package):
                assert f"`{inner.name}/`" in row, f"{package.name}/{inner.name} is not in docs/architecture.md"


def test_no_package_is_described_that_does_not_exist():
    for table in ("edge_all", "export/edge_all_export"):
        (section,) = re.findall(rf"^\| package in `{table}/` \|.*?(?=\n\n)", PAGE, re.MULTILINE | re.DOTALL)
        for name, text in re.findall(r"^\| `(\w+)/` \| (.*) \|$", section, re.MULTILINE):
            folder = ROOT / table / name
            assert folder.is_dir(), f"{table}/{name} does not exist"
            for inner in re.findall(r"`(\w+)/`", text):
                assert (folder / inner).is_dir(), f"{table}/{name}/{inner} does not exist"


def test_every_file_that_is_named_exists():
    for name in re.findall(r"`([\w/]+\.(?:py|toml|md))`", PAGE):
        assert (ROOT / name).exists() or (ROOT / "edge_all" / name).exists(), f"{name} does not exist"
