"""Find circles of files: modules that import each other, directly or through others.

Imports inside functions count, because they couple the files as much as those at the top. Imports under
``if TYPE_CHECKING:`` count too, unless ``--runtime`` is given.

    python scripts/check_imports.py             # exit code 1 if there is a circle
    python scripts/check_imports.py --runtime   # only imports that are executed
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"edge_all": ROOT, "firmware_config": ROOT, "edge_all_export": ROOT / "export"}
"""Import packages, and the folders that hold them."""


def import_graph(packages: Mapping[str, Path], *, runtime: bool = False) -> dict[str, set[str]]:
    """Return, for each module of the packages, the modules of the packages that it imports.

    ``from package import name`` imports the module ``package.name`` if there is one, else the package.
    With ``runtime``, imports under ``if TYPE_CHECKING:`` are left out.
    """
    files = {}
    for name, folder in packages.items():
        for path in sorted((folder / name).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            files[".".join(parts).removesuffix(".__init__")] = path
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        is_package = path.name == "__init__.py"
        graph[module] = {
            target
            for imported in _imports(tree, module, is_package=is_package, runtime=runtime)
            if (target := _module_of(imported, files)) is not None and target != module
        }
    return graph


def _module_of(imported: str, files: Iterable[str]) -> str | None:
    if imported in files:
        return imported
    parent = imported.rpartition(".")[0]
    return parent if parent in files else None


def _imports(tree: ast.AST, module: str, *, is_package: bool, runtime: bool) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: len(module.split(".")) - node.level + is_package]
                base = ".".join([*above, *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif runtime and isinstance(node, ast.If) and _is_type_checking(node.test):
            for other in node.orelse:
                yield from _imports(ast.Module([other], []), module, is_package=is_package, runtime=runtime)
        else:
            yield from _imports(node, module, is_package=is_package, runtime=runtime)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that reach each other (strongly connected components, Tarjan 1972), sorted."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in sorted(graph[module]):
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            group: list[str] = []
            while not group or group[-1] != module:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return sorted(found)


def main(argv: list[str] | None = None) -> int:
    """Print the circles, with the imports that make them. Return 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", action="store_true", help="leave out imports under TYPE_CHECKING")
    options = parser.parse_args(argv)
    graph = import_graph(PACKAGES, runtime=options.runtime)
    found = circles(graph)
    for group in found:
        print("circle of files:")
        for module in group:
            print(f"  {module} imports {', '.join(sorted(graph[module] & set(group)))}")
    return int(bool(found))


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    sys.exit(main())
