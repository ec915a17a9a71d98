"""edge-all users."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

_ROLES = ("viewer", "reviewer", "admin")


@click.group("users")
def command() -> None:
    """Who may log in to the pages: add, list, remove, change passwords. Kept in the state folder.

    Roles: viewer looks; reviewer also gives verdicts, approves and steers the session; admin also deletes pictures.

    \b
    Example:
      edge-all users add hilde --role reviewer
      edge-all users list
    """


_from_input = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@command.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), default="reviewer", show_default=True, help="What the user may do.")
@_from_input
def add(name: str, role: str, password_stdin: bool) -> int:
    """Add a user; asks for the password."""
    from edge_all.errors import UsageError
    from edge_all.review.accounts import Account, Accounts, accounts_file, check_name, hash_password

    accounts, kept = Accounts(accounts_file()), check_name(name)
    if accounts.find(kept) is not None:
        raise UsageError(f"there is a user {kept!r} already", "'edge-all users password' gives a new password")
    if (like := accounts.find_like(kept)) is not None:
        raise UsageError(
            f"there is a user {like.name!r}, and a name must not differ in case alone", "take another name"
        )
    accounts.put(Account(kept, role, hash_password(_password(password_stdin))))
    click.echo(f"{kept} may log in as {role}")
    return 0


@command.command("list")
def list_users() -> int:
    """List names and roles."""
    from edge_all.review.accounts import Accounts, accounts_file

    for account in sorted(Accounts(accounts_file()).all().values(), key=lambda a: a.name):
        click.echo(f"{account.name}\t{account.role}")
    return 0


@command.command("remove")
@click.argument("name")
def remove(name: str) -> int:
    """Remove a user, and log them out. What they reviewed stays."""
    from edge_all.review.accounts import Accounts, accounts_file

    Accounts(accounts_file()).remove(name)
    click.echo(f"{name} may log in no more")
    return 0


@command.command("password")
@click.argument("name")
@_from_input
def password(name: str, password_stdin: bool) -> int:
    """Give a user a new password, and log them out everywhere."""
    from edge_all.errors import UsageError
    from edge_all.review.accounts import Accounts, accounts_file, hash_password

    accounts = Accounts(accounts_file())
    account = accounts.find(name)
    if account is None:
        raise UsageError(f"there is no user {name!r}", "'edge-all users list' shows them")
    accounts.put(replace(account, password_hash=hash_password(_password(password_stdin))))
    click.echo(f"{name} has a new password")
    return 0


def _password(from_input: bool) -> str:
    from edge_all.errors import UsageError

    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError("a password is asked for at a terminal only", "pipe it in with --password-stdin")
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed
