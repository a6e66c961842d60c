"""`lastgood completion`."""

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@verb
def command(session: Session, shell: str) -> int:  # noqa: ARG001 - every verb gets one
    """Print the completion script of a shell.

    \b
    Example:
      lastgood completion bash > ~/.local/share/bash-completion/completions/lastgood
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from click.shell_completion import get_completion_class

    from lastgood.cli import out
    from lastgood.cli.app import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    out.put(found(cli, {}, "lastgood", "_LASTGOOD_COMPLETE").source() + "\n")
    return 0
