"""Check the English of this repository against the patterns in english.toml.

Reads docstrings, comments and prose string literals of the program, its command-line help, the texts of the web
pages (en.toml) and the Markdown pages. Prints ``file:line: pattern: excerpt -> what to write instead`` for each
finding. Exit code 1 if there are findings.

    python scripts/check_english.py                  # the whole repository
    python scripts/check_english.py README.md docs   # some files or folders
    python scripts/check_english.py --summary        # only counts by folder and pattern
"""

from __future__ import annotations

import argparse
import ast
import fnmatch
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
RULES = Path(__file__).with_name("english.toml")
CODE = ("edge_all", "firmware_config", "export/edge_all_export", "scripts", "benchmarks", "tests")
"""Folders whose Python files are checked."""
WITHOUT_STRINGS = ("tests/",)
"""Folders whose string literals are not checked, because they are test data and other programs' texts."""
PROSE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs", ".github")
"""Markdown files, and folders of them."""
_SQL = re.compile(r"\s*(select|insert|update|delete|create|alter|drop|pragma|begin|with|vacuum|attach|commit)\b", re.I)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\s*\n\s*\n")


@dataclass
class Passage:
    """A piece of running text: its lines with their numbers in the file.

    kind: "docstring", "comment", "string", "help", "text" (en.toml) or "prose" (Markdown).
    """

    path: str
    kind: str
    lines: list[tuple[int, str]]

    @cached_property
    def text(self) -> str:
        """The lines joined by spaces."""
        return " ".join(line for _, line in self.lines)

    def line_at(self, offset: int) -> int:
        """Return the number of the line that holds the character at ``offset`` of the text."""
        end = 0
        for number, line in self.lines:
            end += len(line) + 1
            if offset < end:
                return number
        return self.lines[-1][0]


@dataclass
class Pattern:
    """One entry of english.toml."""

    number: int
    name: str
    instead: str
    regex: list[str]
    bad: list[str] = field(default_factory=list)
    good: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    @cached_property
    def compiled(self) -> list[re.Pattern[str]]:
        """The regular expressions, compiled."""
        return [re.compile(r, re.IGNORECASE) for r in self.regex]


@dataclass(frozen=True)
class Finding:
    """A place where a pattern matches."""

    path: str
    line: int
    number: int
    name: str
    excerpt: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.number} {self.name}: {self.excerpt!r} -> {self.instead}"


@dataclass
class Rules:
    """The patterns and the exceptions to them."""

    patterns: list[Pattern]
    allowed: list[dict[str, str]]

    @classmethod
    def read(cls, path: Path = RULES) -> Rules:
        """Read english.toml."""
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls([Pattern(**p) for p in data["pattern"]], data.get("allow", []))

    def check(self, passage: Passage) -> Iterator[Finding]:
        """Yield the findings in a passage, at most one for each pattern and sentence."""
        for pattern in self.patterns:
            if pattern.kinds and passage.kind not in pattern.kinds:
                continue
            seen: set[int] = set()
            for regex in pattern.compiled:
                for match in regex.finditer(passage.text):
                    start, sentence = _sentence(passage.text, match.start(), match.end())
                    if start in seen or self._is_allowed(passage.path, sentence):
                        continue
                    seen.add(start)
                    # A leading run of words (pattern 10) starts earlier than the place that matters.
                    line = passage.line_at(max(match.end() - 1, match.start()))
                    excerpt = passage.text[max(match.start() - 25, start) : match.end() + 25].strip()
                    yield Finding(passage.path, line, pattern.number, pattern.name, excerpt, pattern.instead)

    def _is_allowed(self, path: str, sentence: str) -> bool:
        return any(
            fnmatch.fnmatch(path, entry.get("file", "*")) and re.search(entry["text"], sentence)
            for entry in self.allowed
        )


def _sentence(text: str, start: int, end: int) -> tuple[int, str]:
    left = 0
    for boundary in _SENTENCE_END.finditer(text, 0, start):
        left = boundary.end()
    right = _SENTENCE_END.search(text, end)
    return left, text[left : right.start() if right else len(text)]


# --- Python ---------------------------------------------------------------------------------------------------------


def python_passages(path: str, source: str) -> Iterator[Passage]:
    """Yield the docstrings, prose literals and comments of a Python file."""
    tree = ast.parse(source)
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        for statement in getattr(node, "body", None) or [] if not isinstance(node, (ast.Lambda, ast.IfExp)) else []:
            value = getattr(statement, "value", None)
            if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                docstrings.add(id(value))
                yield from _blocks(path, "docstring", value.lineno, value.value)
    helps = {
        id(keyword.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in ("help", "short_help", "epilog")
    }
    in_f_string: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            in_f_string.update(id(part) for part in ast.walk(node) if part is not node)
    for node in ast.walk(tree):
        literal = _literal(node)
        if literal is None or id(node) in docstrings or id(node) in in_f_string:
            continue
        if id(node) in helps:
            yield from _blocks(path, "help", _line(node), literal)
        elif is_prose(literal):
            yield from _blocks(path, "string", _line(node), literal)
    yield from _comments(path, source)


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 1))


def _literal(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
    return None


def is_prose(literal: str) -> bool:
    """Return True if a string literal reads as a message rather than as SQL, markup, a path or a key."""
    words = re.findall(r"[A-Za-z]{2,}", literal)
    return len(words) >= 3 and literal.count(" ") >= 2 and not _SQL.match(literal) and "</" not in literal


def _blocks(path: str, kind: str, first: int, text: str) -> Iterator[Passage]:
    """Split text at blank lines and list entries; code blocks and inline code are blanked out."""
    block: list[tuple[int, str]] = []
    literal_indent: int | None = None
    for number, raw in enumerate(text.split("\n"), first):
        line = _without_code(raw)
        stripped = line.strip()
        indent = len(raw) - len(raw.lstrip())
        if literal_indent is not None and stripped and indent > literal_indent:
            continue
        if stripped:
            literal_indent = None
        if not stripped or re.match(r"[-*] |\w+: ", stripped) or stripped == "\b":
            if block:
                yield Passage(path, kind, block)
            # Only the first block opens the docstring.
            kind = "comment" if kind == "docstring" and block else kind
            block = []
        if stripped and stripped != "\b":
            # The name of an argument or field is code, not prose.
            block.append((number, re.sub(r"^\*{0,2}[a-z_]\w*(, [a-z_]\w*)*: ", "x: ", stripped)))
            if stripped.endswith("::"):
                literal_indent = indent
    if block:
        yield Passage(path, kind, block)


def _without_code(line: str) -> str:
    line = re.sub(r"``[^`]*``|`[^`]*`", "x", line)
    line = re.sub(r"\]\([^)]*\)", "]", line)
    return re.sub(r"https?://\S+", "x", line)


def _comments(path: str, source: str) -> Iterator[Passage]:
    block: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        text = re.sub(r"^#+!?\s?", "", token.string)
        if re.match(r"(noqa|type:|pragma:|fmt:|ruff:|mypy:)", text):
            continue
        number = token.start[0]
        own_line = not source_before(token)
        if block and (not own_line or number != block[-1][0] + 1):
            yield Passage(path, "comment", block)
            block = []
        block.append((number, _without_code(text).strip()))
        if not own_line:
            yield Passage(path, "comment", block)
            block = []
    if block:
        yield Passage(path, "comment", block)


def source_before(token: tokenize.TokenInfo) -> str:
    """Return the code in front of a token on its line."""
    return token.line[: token.start[1]].strip()


# --- Other files ----------------------------------------------------------------------------------------------------


def toml_passages(path: str, source: str) -> Iterator[Passage]:
    """Yield the comments and values of a TOML file of texts, each line a passage."""
    for number, line in enumerate(source.split("\n"), 1):
        comment = re.match(r"\s*#\s?(.*)", line)
        value = re.match(r"""\s*[\w."-]+\s*=\s*["']+(.*?)["']*\s*$""", line)
        if comment:
            yield Passage(path, "comment", [(number, _without_code(comment.group(1)))])
        elif value and value.group(1):
            yield Passage(path, "text", [(number, _without_code(value.group(1)))])


def markdown_passages(path: str, source: str) -> Iterator[Passage]:
    """Yield paragraphs, list entries, headings and table cells; of code blocks, only the comments."""
    block: list[tuple[int, str]] = []
    fence = ""
    for number, raw in enumerate(source.split("\n"), 1):
        stripped = raw.strip()
        if fence:
            if stripped.startswith(fence):
                fence = ""
            elif comment := re.search(r"(?:^|\s)#\s(.*)", raw):
                yield Passage(path, "prose", [(number, _without_code(comment.group(1)))])
            continue
        opening = re.match(r"(```+|~~~+)", stripped)
        starts_block = bool(re.match(r"([-*+] |\d+\. |#|\||>|!!! |\[\^)", stripped))
        if block and (not stripped or opening or starts_block):
            yield Passage(path, "prose", block)
            block = []
        if opening:
            fence = opening.group(1)
        elif stripped.startswith("|"):
            for cell in re.split(r"(?<!\\)\|", _without_code(stripped).strip("|")):
                if cell.strip(" -:"):
                    yield Passage(path, "prose", [(number, cell.strip())])
        elif stripped.startswith("#"):
            yield Passage(path, "prose", [(number, stripped.lstrip("# "))])
        elif stripped and not stripped.startswith("<!--"):
            block.append((number, re.sub(r"^([-*+]|\d+\.|>)\s+", "", _without_code(stripped))))
    if block:
        yield Passage(path, "prose", block)


def help_passages() -> Iterator[Passage]:
    """Walk the command tree and yield the help of each command, option and argument.

    Help that is assembled at run time appears only here. Commands of an extra that is not installed are left out.
    """
    import click

    for folder in (ROOT, ROOT / "export"):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    from edge_all.cli.main import program

    def walk(command: click.Command, name: str) -> Iterator[Passage]:
        for line in (command.help or "").split("\n\n"):
            yield Passage(f"{name} --help", "help", [(1, _without_code(" ".join(line.split())))])
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.help:
                label = f"{name} {parameter.opts[-1]}"
                yield Passage(label, "help", [(1, _without_code(parameter.help))])
        if isinstance(command, click.Group):
            context = click.Context(command)
            for child in command.list_commands(context):
                try:
                    found = command.get_command(context, child)
                except ImportError:
                    continue
                if found is not None:
                    yield from walk(found, f"{name} {child}")

    yield from walk(program, "edge-all")


# --- The whole ------------------------------------------------------------------------------------------------------


def files(arguments: Iterable[str]) -> Iterator[Path]:
    """Yield the files to check: all of the repository, or those below the given paths."""
    given = [Path(a).resolve() for a in arguments]
    roots = given or [ROOT / name for name in (*CODE, *PROSE)]
    for root in roots:
        if root.is_file():
            yield root
            continue
        for path in sorted(root.rglob("*")):
            in_code = any(path.is_relative_to(ROOT / name) for name in CODE)
            if path.suffix == ".py" or (path.name == "en.toml" and in_code) or path.suffix == ".md":
                yield path


def passages_of(path: Path) -> Iterator[Passage]:
    """Yield the passages of a file, by its type."""
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        in_tests = name.startswith(WITHOUT_STRINGS)
        yield from (p for p in python_passages(name, source) if not (in_tests and p.kind == "string"))
    elif path.suffix == ".toml":
        yield from toml_passages(name, source)
    else:
        yield from markdown_passages(name, source)


def check(arguments: Iterable[str] = ()) -> list[Finding]:
    """Check the given files, or the whole repository and the command-line help. Return all findings."""
    rules = Rules.read()
    arguments = list(arguments)
    found = [f for path in files(arguments) for passage in passages_of(path) for f in rules.check(passage)]
    if not arguments:
        known = {(f.number, _squeezed(f.excerpt)) for f in found}
        for passage in help_passages():
            for finding in rules.check(passage):
                if not any(n == finding.number and _overlap(e, _squeezed(finding.excerpt)) for n, e in known):
                    found.append(finding)
    return found


def _squeezed(text: str) -> str:
    return re.sub(r"\W+", "", text.lower())


def _overlap(one: str, other: str) -> bool:
    return one in other or other in one or (len(one) > 20 and one[8:-8] in other)


def main(argv: list[str] | None = None) -> int:
    """Print the findings. Return 1 if there are any."""
    parser = argparse.ArgumentParser(description="Check the repository's English against scripts/english.toml.")
    parser.add_argument("paths", nargs="*", help="files or folders; default: the whole repository")
    parser.add_argument("--summary", action="store_true", help="print only counts by folder and pattern")
    parser.add_argument("--pattern", type=int, action="append", help="report only this pattern; repeatable")
    options = parser.parse_args(argv)
    found = [f for f in check(options.paths) if not options.pattern or f.number in options.pattern]
    if options.summary:
        for (folder, number, name), count in sorted(
            Counter((_folder(f.path), f.number, f.name) for f in found).items()
        ):
            print(f"{folder:40} {number:2} {name:50} {count:5}")
    else:
        for finding in found:
            print(finding)
    if found:
        print(f"{len(found)} findings. See scripts/english.toml for the patterns and exceptions.", file=sys.stderr)
    return int(bool(found))


def _folder(path: str) -> str:
    parts = Path(path).parts
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0] if parts else path


if __name__ == "__main__":
    sys.exit(main())
