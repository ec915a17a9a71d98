"""MkDocs hook: add the pages that are not files under docs/.

- The README, CONTRIBUTING, CHANGELOG and SECURITY pages of the repository's root.
- The command-line reference, generated from the click commands.
- One page of API reference per package, which mkdocstrings fills from the docstrings.
- The list of decisions.

They are generated during the build, so they cannot be out of date.
"""

from __future__ import annotations

import inspect
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ROOT_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Pages of the repository's root, and their addresses on the site."""
API = {"edge_all": ROOT, "firmware_config": ROOT, "edge_all_export": ROOT / "export"}
"""Import packages of the API reference, and the folders that hold them."""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in the parts of the navigation that follow from the code."""
    parts: dict[str, list[Any]] = {
        "Command line": ["reference/cli.md", *({n: f"reference/cli/{n}.md"} for n, _ in commands())],
        "Python API": ["reference/api.md", *({n: _api_page(n)} for n in packages())],
        "Decisions": ["decisions/index.md", *(f"decisions/{p.name}" for p in _decisions())],
    }
    for section in config.nav or []:
        for entries in section.values():
            for entry in entries if isinstance(entries, list) else []:
                for name in set(entry) & set(parts):
                    entry[name] = parts[name]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    for path, text in pages():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links to files outside docs/ into links to their page on the site, or into plain names."""
    source = ROOT if page.file.src_uri in ROOT_PAGES.values() else (DOCS / page.file.src_uri).parent
    return relink(markdown, source, posixpath.dirname(page.file.src_uri))


def relink(markdown: str, source: Path, folder: str) -> str:
    """Rewrite the links of a page.

    Args:
        markdown: The page.
        source: The folder that its relative links start from.
        folder: The page's folder on the site.
    """

    def rewrite(match: re.Match[str]) -> str:
        image, text, link = match.groups()
        target, _, anchor = link.partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return match.group()
        path = (source / target).resolve()
        if path.is_relative_to(DOCS):
            address = path.relative_to(DOCS).as_posix()
            if path.is_dir():
                address += "/index.md"
        elif path.is_relative_to(ROOT) and (name := path.relative_to(ROOT).as_posix()) in ROOT_PAGES:
            address = ROOT_PAGES[name]
        elif path.is_relative_to(ROOT) and path.exists():
            return text if text.startswith("`") else f"{text} (`{path.relative_to(ROOT).as_posix()}`)"
        else:
            # A page of the site, or a broken link, which the strict build reports.
            return match.group()
        return f"{image}[{text}]({posixpath.relpath(address, folder or '.')}{'#' + anchor if anchor else ''})"

    return _LINK.sub(rewrite, markdown)


def pages() -> Iterator[tuple[str, str]]:
    """Yield the address and the Markdown of each generated page."""
    for name, address in ROOT_PAGES.items():
        yield address, (ROOT / name).read_text(encoding="utf-8")
    listed = list(commands())
    yield "reference/cli.md", _cli_index(listed)
    for name, command in listed:
        yield f"reference/cli/{name}.md", command_page(command, f"edge-all {name}")
    yield "reference/api.md", _api_index()
    for package, modules in packages().items():
        yield _api_page(package), _api_text(package, modules)
    yield "decisions/index.md", _decisions_index()


# --- Command line ---------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield the name and the command of each top-level command, those of the workstation included."""
    import click

    for folder in (ROOT / "export", ROOT):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    from edge_all.cli.main import program

    context = click.Context(program, info_name="edge-all")
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        yield name, command


def _cli_index(listed: list[tuple[str, click.Command]]) -> str:
    rows = "\n".join(
        f"| [{name}](cli/{name}.md) | {_cell(command.get_short_help_str(200))} |" for name, command in listed
    )
    return (
        "# Command line\n\n`edge-all [--debug] [--log-level LEVEL] COMMAND [OPTIONS]`. "
        "`--debug` shows the traceback of an error. `--log-level` sets the lowest level of messages to show. "
        f"Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.\n\n"
        f"| command | purpose |\n|---|---|\n{rows}\n"
    )


def command_page(command: click.Command, path: str, level: int = 1) -> str:
    """Return the Markdown of a command: usage, description, arguments, options and subcommands."""
    import click

    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [
        f"{'#' * level} {path}",
        f"```\n{path} {usage}\n```",
        _description(command.help or command.short_help or ""),
    ]
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in getattr(parameter, "opts", ()):
            rows.append(f"| {_code(record[0])} | {_cell(record[1])} |")
    if rows:
        parts.append("| option | meaning |\n|---|---|\n" + "\n".join(rows))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                parts.append(command_page(child, f"{path} {name}", level + 1))
    return "\n\n".join(part for part in parts if part) + "\n"


def _description(text: str) -> str:
    """Turn help text into Markdown. A paragraph after click's backspace mark keeps its line breaks."""
    blocks = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text).split("\f")[0]):
        if block.startswith("\b\n"):
            head, _, rest = block[2:].partition("\n")
            if head.rstrip().endswith(":") and rest:
                blocks.append(head)
                block = rest
            else:
                block = block[2:]
            blocks.append(f"```\n{inspect.cleandoc(block)}\n```")
        else:
            blocks.append(_escaped(" ".join(block.split())))
    return "\n\n".join(blocks)


def _code(text: str) -> str:
    # A pipe in code does not end a table cell.
    return f"`{text}`"


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


# --- API ------------------------------------------------------------------------------------------------------------


def packages() -> dict[str, list[str]]:
    """Return the modules of each package, the package itself first. Private modules are left out."""
    found: dict[str, list[str]] = {}
    for name, folder in API.items():
        for path in sorted((folder / name).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            if any(p.startswith("_") and p != "__init__" for p in parts):
                continue
            module = ".".join(parts).removesuffix(".__init__")
            # Packages below the second level are shown on their parent's page.
            package = ".".join(parts[: min(len(parts) - 1, 2)])
            found.setdefault(package, []).append(module)
    return {package: sorted(modules, key=lambda m: (m != package, m)) for package, modules in sorted(found.items())}


def _api_page(package: str) -> str:
    return f"reference/api/{package}.md"


def _api_text(package: str, modules: list[str]) -> str:
    return f"# {package}\n\n" + "\n".join(f"::: {module}\n" for module in modules)


def public_names() -> dict[str, str]:
    """Return the public names of the package edge_all, and the modules that define them."""
    import edge_all

    return {name: getattr(edge_all, name).__module__ for name in edge_all.__all__ if not name.startswith("_")}


def _api_index() -> str:
    rows = "\n".join(f"| [{p}](api/{p}.md) | {_cell(_summary(p))} |" for p in packages())
    names = "\n".join(
        f"| [`edge_all.{name}`](api/{_package_of(module)}.md#{module}.{name}) |"
        for name, module in public_names().items()
    )
    return (
        "# Python API\n\nPrograms that embed edge-all use these names of the package `edge_all` itself; everything "
        f"else may change between minor versions.\n\n| public name |\n|---|\n{names}\n\n## Packages\n\n"
        f"| package | content |\n|---|---|\n{rows}\n"
    )


def _package_of(module: str) -> str:
    return next(package for package, modules in packages().items() if module in modules)


def _summary(package: str) -> str:
    import ast

    folder = API[package.partition(".")[0]].joinpath(*package.split("."))
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n\n")[0]


# --- Decisions ------------------------------------------------------------------------------------------------------


def _decisions() -> list[Path]:
    return sorted((DOCS / "decisions").glob("[0-9]*.md"))


def _decisions_index() -> str:
    rows = []
    for path in _decisions():
        title = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        rows.append(f"- [{title}]({path.name})")
    return "# Decisions\n\nThe reasons behind decisions that are worth remembering.\n\n" + "\n".join(rows) + "\n"
