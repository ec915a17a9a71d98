"""The generated pages of the documentation: all commands and options, all packages, links that work."""

import importlib.util
import re
import sys
from pathlib import Path

import click

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "scripts" / "docs_pages.py")
assert _spec is not None
assert _spec.loader is not None
docs_pages = importlib.util.module_from_spec(_spec)
sys.modules["docs_pages"] = docs_pages
_spec.loader.exec_module(docs_pages)


@click.group()
def bench():
    """Measure <things>.

    Twice, if asked to.

    \b
    Example:
      edge-all bench light --lamp a
    """


@bench.command()
@click.argument("field")
@click.option("--lamp", type=click.Choice(["a", "b"]), help="Lamp | bulb to use.")
@click.option("--secret", hidden=True)
def light(field, lamp, secret):
    """Measure the light."""


def test_a_command_page_has_usage_description_examples_options_and_subcommands():
    page = docs_pages.command_page(bench, "edge-all bench")
    assert page.startswith("# edge-all bench\n\n```\nedge-all bench [OPTIONS] COMMAND [ARGS]...\n```")
    assert "Measure &lt;things>.\n\nTwice, if asked to.\n\nExample:\n\n```\nedge-all bench light --lamp a\n```" in page
    assert "## edge-all bench light" in page
    assert "| `--lamp [a|b]` | Lamp \\| bulb to use. |" in page
    assert "--secret" not in page
    assert "--help" not in page


def test_every_option_of_every_command_is_in_the_reference():
    def options(command, path):
        context = click.Context(command)
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                yield path, parameter.opts[-1]
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                yield from options(command.get_command(context, name), f"{path} {name}")

    pages = dict(docs_pages.pages())
    for name, command in docs_pages.commands():
        assert f"cli/{name}.md" in pages["reference/cli.md"]
        for path, option in options(command, f"edge-all {name}"):
            section = re.split(rf"^#+ {path}$", pages[f"reference/cli/{name}.md"], flags=re.MULTILINE)[1]
            assert option in section.split("\n#")[0], f"{path} {option}"


def test_every_public_module_is_in_the_api_reference():
    listed = [module for modules in docs_pages.packages().values() for module in modules]
    assert len(listed) == len(set(listed))
    for folder in ("edge_all", "firmware_config", "export/edge_all_export"):
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT / "export" if "export" in folder else ROOT).with_suffix("").parts
            if not any(p.startswith("_") and p != "__init__" for p in parts):
                assert ".".join(parts).removesuffix(".__init__") in listed


def test_the_public_names_are_linked_to_their_modules():
    import edge_all

    index = dict(docs_pages.pages())["reference/api.md"]
    assert set(docs_pages.public_names()) == {name for name in edge_all.__all__ if not name.startswith("_")}
    assert "[`edge_all.Session`](api/edge_all.session.md#edge_all.session.session.Session)" in index


def test_links_are_led_to_the_site():
    relink = docs_pages.relink
    assert relink("[r](docs/run.md#a)", ROOT, "") == "[r](run.md#a)"
    assert relink("![f](docs/images/field.png)", ROOT, "") == "![f](images/field.png)"
    assert relink("[d](docs/decisions)", ROOT, "") == "[d](decisions/index.md)"
    assert relink("[c](../CONTRIBUTING.md)", ROOT / "docs", "") == "[c](contributing.md)"
    assert relink("[s](../../SECURITY.md)", ROOT / "docs" / "decisions", "decisions") == "[s](../security.md)"
    assert relink("[l](LICENSE)", ROOT, "") == "l (`LICENSE`)"
    assert relink("[gone](missing.md)", ROOT / "docs", "") == "[gone](missing.md)"
    assert relink("[a](https://example.org/x.md) [b](#part)", ROOT, "") == "[a](https://example.org/x.md) [b](#part)"
