"""Command 'edge-all models': install, list, rollback, trust, sign, new-key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_all.cli.options.common import plain
from edge_all.domain.plural import counted

if TYPE_CHECKING:
    from edge_all.inference.loader import EngineOptions


@click.group("models", no_args_is_help=True)
def command() -> None:
    """Install, list and roll back signed models on this device; sign models on a workstation (docs/models.md).

    \b
    Example:
      edge-all models install lab-2.edgemodels
      edge-all models list
      edge-all models rollback
    """


_profile = click.option(
    "--profile",
    "profile_name",
    metavar="NAME|FILE",
    help="Profile whose engine runs the self-check. Default: the device's own.",
)


@command.command("install")
@click.argument("file")
@_profile
def install(file: str, profile_name: str | None) -> int:
    """Verify FILE and activate its models.

    Checks the signature and the contracts and runs the self-check. The previous set is kept. If any step fails, nothing
    changes. A running session finishes with the models it started with.

    \b
    Example:
      edge-all models install lab-2.edgemodels
    """
    from edge_all.modelstore.installed import install as install_set

    manifest, key, place = install_set(Path(file), _wanted(profile_name))
    click.echo(f"{manifest.name} {manifest.version} is in use (signed by {key.fingerprint[:16]}, in {place})")
    click.echo("To return to the previous set, run 'edge-all models rollback'.")
    return 0


@command.command("list")
def list_sets() -> int:
    """List the model sets on this device. The set in use is marked with *.

    \b
    Example:
      edge-all models list
    """
    from edge_all.modelstore.installed import model_sets

    for one in model_sets():
        models = ", ".join(f"{task} {name}" for task, name in one.models.items()) or "damaged; install it again"
        click.echo(f"{'*' if one.in_use else ' '} {plain(one.name)}\t{plain(models)}")
    return 0


@command.command("rollback")
@_profile
def rollback(profile_name: str | None) -> int:
    """Return to the previously used set, after its self-check.

    \b
    Example:
      edge-all models rollback
    """
    from edge_all.modelstore.installed import SHIPPED, roll_back
    from edge_all.modelstore.shipped import models_folder

    folder = roll_back(_wanted(profile_name))
    click.echo(f"{SHIPPED if folder == models_folder() else folder.name} is in use")
    return 0


@command.command("trust")
@click.argument("file", metavar="KEY.pub.pem")
def trust_key(file: str) -> int:
    """Trust a public key for installing models.

    Models signed with the key can then be installed here. Compare the fingerprint first.

    \b
    Example:
      edge-all models trust lab.pub.pem
    """
    from edge_all.modelstore.signing import trust

    click.echo(f"trusted: {trust(Path(file)).fingerprint}")
    return 0


@command.command("new-key")
@click.argument("file", metavar="KEY.pem")
@click.option("--no-passphrase", is_flag=True, help="Store the key unencrypted; anyone who can read the file can sign.")
def make_key(file: str, no_passphrase: bool) -> int:
    """Create a signing key on a workstation. Copy KEY.pub.pem to the devices; keep KEY.pem private.

    \b
    Example:
      edge-all models new-key lab.pem
    """
    from edge_all.modelstore.signing import new_key, public_path

    passphrase = None
    if not no_passphrase:
        passphrase = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    key = new_key(Path(file), passphrase)
    click.echo(
        f"Signing key {file}; public key for the devices {public_path(Path(file))}; fingerprint {key.fingerprint}"
    )
    return 0


@command.command("sign")
@click.argument("folder")
@click.option("--key", required=True, metavar="KEY.pem", help="Signing key from 'edge-all models new-key'.")
@click.option("--name", required=True, metavar="NAME", help="Name of the set.")
@click.option("--version", required=True, metavar="VERSION", help="Version of the set.")
@click.option("--out", required=True, metavar="FILE", help="Package file to write, for devices to install.")
def sign(folder: str, key: str, name: str, version: str, out: str) -> int:
    """Sign a models folder as one package.

    The folder contains detector/ and classifier/, as written by 'edge-all export'.

    \b
    Example:
      edge-all models sign runs/models --key lab.pem --name lab --version 2 --out lab-2.edgemodels
    """
    from edge_all.modelstore.package import write_package
    from edge_all.modelstore.signing import needs_passphrase

    passphrase = click.prompt("Passphrase", hide_input=True, err=True) if needs_passphrase(Path(key)) else None
    manifest = write_package(Path(folder), Path(out), name, version, Path(key), passphrase)
    click.echo(
        f"{out}: {manifest.name} {manifest.version}, {counted(len(manifest.files), 'file')}, {manifest.sha256[:16]}"
    )
    return 0


def _wanted(profile_name: str | None) -> EngineOptions:
    from edge_all.inference.loader import EngineOptions
    from edge_all.profile import load_profile

    profile = load_profile(profile_name)
    return EngineOptions(
        profile.engine,
        profile.precision,
        profile.threads,
        profile.max_batch,
        profile.build_memory_mib or None,
        wait=True,
    )
