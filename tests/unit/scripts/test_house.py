"""Limits that keep the packages easy to survey: files in a folder, arguments of a constructor."""

import ast
import subprocess
from collections import Counter
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[3]
MOST_FILES = 16
MOST_ARGUMENTS = 8
DEVICE = ("edge_all", "firmware_config")


def tracked(*folders):
    found = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in found.splitlines() if (ROOT / name).is_file()]


def test_no_folder_of_the_device_half_has_too_many_files():
    counts = Counter(str(PurePosixPath(name).parent) for name in tracked(*DEVICE))
    assert len(counts) > 40
    # One file per command.
    del counts["edge_all/cli"]
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_no_public_constructor_takes_too_many_arguments():
    found = {}
    for name in tracked(*DEVICE, "export/edge_all_export"):
        if name.endswith(".py"):
            for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    for member in node.body:
                        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
                            arguments = member.args
                            found[f"{name}:{node.name}"] = len(
                                arguments.posonlyargs + arguments.args[1:] + arguments.kwonlyargs
                            )
    assert len(found) > 100
    assert {where: count for where, count in found.items() if count > MOST_ARGUMENTS} == {}
