"""`lastgood guard`."""

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session
from lastgood.model.errors import Exit


@click.group("guard")
def command() -> None:
    """Keep quarantined releases, rewrites and deletions out of the deploy branch: in a git hook and in CI.

    \b
    Examples:
      lastgood guard install
      lastgood guard check --base origin/main
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines


@command.command("check")
@click.option("--base", default="", metavar="REV", help="The branch that the change is for; else all pins are checked.")
@click.option("--head", default="HEAD", show_default=True, metavar="REV", help="The change's newest commit.")
@click.option("--branch", default="", metavar="NAME", help="Without --base: the deploy branch, if there are several.")
@click.option("--require-green", is_flag=True, help="The commit that an image was built from must have passed CI.")
@verb
def check(session: Session, base: str, head: str, branch: str, require_green: bool) -> int:
    """Refuse (exit 3) a change that pins a quarantined release, or takes one out of quarantine without a reason.

    \b
    Examples:
      lastgood guard check --base origin/main
      lastgood guard check --base origin/main --require-green
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood import guarding
    from lastgood.cli.text_guard import report_text

    repo = session.start()
    found = guarding.check(
        repo, base, head, branch or ("" if base else guarding.configured_branch(repo)), require_green=require_green
    )
    session.answer("guard", found, report_text(found))
    return Exit.REFUSED if found.breaches else Exit.DONE


@command.command("install")
@click.option(
    "--branch", "branches", multiple=True, metavar="NAME", help="Protect this branch; else the deploy branch."
)
@verb
def install(session: Session, branches: tuple[str, ...]) -> int:
    """Put a pre-push hook into the clone. A hook that is there is kept and runs first.

    \b
    Examples:
      lastgood guard install
      lastgood guard install --repo ~/src/shop-api --branch main --branch release
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood import guarding
    from lastgood.cli.text_guard import hook_text

    repo = session.start()
    made = guarding.install(repo, branches or guarding.branches(repo))
    session.answer("hook", made, hook_text(made))
    return 0


@command.command("uninstall")
@verb
def uninstall(session: Session) -> int:
    """Take the pre-push hook out again, and put back what was there before.

    \b
    Example:
      lastgood guard uninstall
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood import guarding
    from lastgood.cli.text_guard import hook_text

    made = guarding.uninstall(session.start())
    session.answer("hook", made, hook_text(made))
    return 0
