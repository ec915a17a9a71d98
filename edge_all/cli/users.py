"""Command 'edge-all users': manage the accounts of the web pages."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from edge_all.domain.roles import ROLES


@click.group("users")
def command() -> None:
    """Manage the users of the web pages: add, list, remove, change passwords.

    Accounts are stored in the state directory. Roles: a viewer can only look; a reviewer can also give verdicts,
    approve sessions and control the running session; an admin can also delete pictures.

    \b
    Example:
      edge-all users add hilde --role reviewer
      edge-all users list
    """


_from_input = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@command.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="reviewer", show_default=True, help="The user's permissions.")
@_from_input
def add(name: str, role: str, password_stdin: bool) -> int:
    """Add a user. Prompts for the password."""
    from edge_all.errors import UsageError
    from edge_all.web.auth.accounts import Account, Accounts, accounts_file, check_name, hash_password

    accounts, kept = Accounts(accounts_file()), check_name(name)
    if accounts.find(kept) is not None:
        raise UsageError(f"user {kept!r} already exists", "use 'edge-all users password' to change the password")
    if (like := accounts.find_like(kept)) is not None:
        raise UsageError(
            f"user {like.name!r} already exists, and user names must differ in more than case", "choose another name"
        )
    accounts.put(Account(kept, role, hash_password(_password(password_stdin))))
    click.echo(f"Added user {kept} with role {role}.")
    return 0


@command.command("list")
def list_users() -> int:
    """List the users and their roles."""
    from edge_all.web.auth.accounts import Accounts, accounts_file

    for account in sorted(Accounts(accounts_file()).all().values(), key=lambda a: a.name):
        click.echo(f"{account.name}\t{account.role}")
    return 0


@command.command("remove")
@click.argument("name")
def remove(name: str) -> int:
    """Remove a user and end their logins. Their reviews are kept."""
    from edge_all.web.auth.accounts import Accounts, accounts_file

    Accounts(accounts_file()).remove(name)
    click.echo(f"Removed user {name}.")
    return 0


@command.command("password")
@click.argument("name")
@_from_input
def password(name: str, password_stdin: bool) -> int:
    """Set a user's password and end all of their logins."""
    from edge_all.errors import UsageError
    from edge_all.web.auth.accounts import Accounts, accounts_file, hash_password

    accounts = Accounts(accounts_file())
    account = accounts.find(name)
    if account is None:
        raise UsageError(f"unknown user {name!r}", "list the users with 'edge-all users list'")
    accounts.put(replace(account, password_hash=hash_password(_password(password_stdin))))
    click.echo(f"Changed the password of user {name}.")
    return 0


def _password(from_input: bool) -> str:
    from edge_all.errors import UsageError

    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError("cannot prompt for a password without a terminal", "pipe it in with --password-stdin")
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed
