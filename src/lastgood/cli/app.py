"""The command group. Verbs are loaded when they are called: `--help` lists them without importing one."""

from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from lastgood import __version__
from lastgood.cli import afterwards, out
from lastgood.model.errors import LastgoodError, NeedsHuman, Refused, UsageError

VERBS: Final = {
    "status": "What runs, what git pins, health, and the last good release.",
    "rollback": "Go back to the last good release, prove that it serves, record it.",
    "diagnose": "What is wrong, since when, what changed, how sure, and what to do next.",
    "plan": "What a rollback would do, and why. Touches nothing.",
    "history": "Past releases, what is known of them, and how far back one could go.",
    "images": "Which images the way back needs, where they are, and how to protect them.",
    "check": "Judge what runs now and record the verdict.",
    "restart": "Restart what runs, judged and recorded.",
    "runs": "What lastgood did, newest first.",
    "show": "One run, line by line.",
    "verify": "Is the record of a run, or a bundle of it, what was written down?",
    "bundle": "Everything that was kept of a run in one tar, to hand over.",
    "postmortem": "A run told for people, complete up to where only people can think.",
    "checklist": "What has to be so before, meanwhile and after a rollback, and what of it is.",
    "resume": "Take up a run that stopped half-way.",
    "settle": "Bring git and CDN to what runs, after a run that ended mitigated.",
    "abort": "Put back what was before a run.",
    "revert": "Revert commits of a code repo, pushed or as a pull request; or list the suspects.",
    "db": "The database of a service: where its schema stands, how it goes back, backups, restoring one.",
    "lint": "Migrations without an honest way back, and what they would lock: for CI.",
    "doctor": "Is everything there that a rollback will need?",
    "outbox": "What trackers and notifiers were told, what waits and why; deliver it now.",
    "ack": "Say that you have a run that needs a person; nobody else is called.",
    "quarantine": "Keep releases from coming back, where everyone and every bot sees it.",
    "guard": "Keep quarantined releases, rewrites and deletions out of the deploy branch.",
    "init": "Propose a lastgood.yaml for this deploy repo.",
    "schema": "The JSON Schema of lastgood.yaml, for editors.",
    "completion": "Completion for bash, zsh or fish.",
}


class Verbs(click.Group):
    """The verbs, by name, in the order of `VERBS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of all verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The verb, imported now; None where there is none of that name."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"lastgood.cli.verbs.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """The list of verbs, from the table rather than from the verbs."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that the arguments begin with. Raises UsageError, with the nearest verb, where there is none."""
        if args[0] not in VERBS and not args[0].startswith("-"):
            raise _no_verb(args[0])
        return super().resolve_command(ctx, args)


def _no_verb(name: str) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(name, VERBS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return UsageError(f"There is no command {name!r}{hint}", next=("lastgood --help",))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Take production back to its last good release, prove that it serves, leave a record.

    \b
    Examples:
      lastgood status
      lastgood rollback shop-api prod
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines


def run(argv: Sequence[str]) -> int:
    """Run one command line, its words given without the program's name; the exit code."""
    out.tolerant()
    words = list(argv) or ["--help"]
    try:
        return _run(words, argv)
    finally:
        afterwards.work()


def _run(words: list[str], argv: Sequence[str]) -> int:
    try:
        code = cli.main(words, prog_name="lastgood", standalone_mode=False, obj=tuple(argv))
    except LastgoodError as error:
        return out.failed(error, argv)
    except click.ClickException as error:
        return out.failed(_usage(error), argv)
    except (KeyboardInterrupt, click.Abort):
        return out.failed(Refused("Interrupted; nothing was touched."), argv)
    except Exception as error:  # noqa: BLE001 - the operator gets a sentence, not a traceback
        out.traced(error)
        return out.failed(_internal(error), argv)
    return int(code or 0)


def _usage(error: click.ClickException) -> UsageError:
    where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "lastgood"
    return UsageError(error.format_message(), next=(f"{where} --help",))


def _internal(error: Exception) -> LastgoodError:
    """A defect of lastgood as an error for the operator."""
    return NeedsHuman(
        f"internal error: {type(error).__name__}: {error}",
        because=("this is a defect of lastgood; please report it",),
        next=("run it again with LASTGOOD_DEBUG=1 to see where",),
    )
