"""What verbs share: the options that each of them has, SERVICE and ENV, and how much goes back."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

import click

from lastgood.cli.afterwards import remember
from lastgood.cli.completing import environments, services
from lastgood.cli.session import Session

P = ParamSpec("P")

_REPO = "The deploy repo; else LASTGOOD_REPO, else the one around here."


def verb(function: Callable[Concatenate[Session, P], int], repo_help: str = _REPO) -> Callable[..., int]:
    """Add the options that every verb has; the function gets a Session first and returns the exit code.

    `repo_help` is the help of `--repo`.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document, alone, on stdout.")
    @click.option("--repo", metavar="PATH", help=repo_help)
    @click.option("--no-color", is_flag=True, help="No colours; NO_COLOR does the same.")
    @click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
    @functools.wraps(function)
    def wrapped(
        as_json: bool,
        repo: str | None,
        no_color: bool,
        quiet: bool,
        *args: P.args,
        **kw: P.kwargs,
    ) -> int:
        argv = click.get_current_context().find_root().obj
        session = Session(tuple(argv), as_json, repo, no_color, quiet)
        remember(session)
        return function(session, *args, **kw)

    return wrapped


def target(function: Callable[..., int]) -> Callable[..., int]:
    """Add SERVICE and ENV; which of them may be left out is for `Session.target` to say."""
    with_env = click.argument("env", required=False, shell_complete=environments)(function)
    return click.argument("service", required=False, shell_complete=services)(with_env)


def wish(function: Callable[..., int]) -> Callable[..., int]:
    """Add what a rollback may be asked for."""
    for option in reversed(
        (
            click.option("--to", default="", metavar="TAG|DIGEST|COMMIT", help="This release, not the last good one."),
            click.option("--image-only", is_flag=True, help="Only the image goes back."),
            click.option("--config-only", is_flag=True, help="Only the configuration goes back."),
            click.option("--full", is_flag=True, help="The whole folder goes back as it was."),
            click.option("--further", is_flag=True, help="Further back than an earlier rollback went."),
            click.option("--stop-deploy", is_flag=True, help="End a deploy that runs there, instead of waiting."),
            click.option("--down", is_flag=True, help="The database's schema goes back too, even where it need not."),
            click.option("--pin-digest", is_flag=True, help="Write the digest into the pin as well."),
        )
    ):
        function = option(function)
    return function
