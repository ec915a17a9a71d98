"""Attributes that the documentation names as `ClassName.attribute` exist in the code."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMED = re.compile(r"`([A-Z][A-Za-z]*[a-z][A-Za-z]*)\.([A-Za-z_]\w*)(?:\([^`]*\))?`")


def attributes(node):
    """Names that a class gives itself: in its body, and on self in its methods."""
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            yield part.name
        elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store) and ast.unparse(part.value) == "self":
            yield part.attr
    for part in node.body:
        targets = [part.target] if isinstance(part, ast.AnnAssign) else getattr(part, "targets", [])
        yield from (t.id for t in targets if isinstance(t, ast.Name))


def classes():
    """Attributes by class name, over the whole program."""
    found = {}
    for folder in ("edge_all", "firmware_config", "export"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    found.setdefault(node.name, set()).update(attributes(node))
    return found


def test_every_attribute_that_a_page_names_exists():
    known = classes()
    missing = []
    named = 0
    for page in PAGES:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            for name, attribute in NAMED.findall(line):
                named += 1
                if attribute not in known.get(name, ()):
                    missing.append(f"{page.relative_to(ROOT)}:{number} {name}.{attribute}")
    assert named >= 5
    assert missing == []
