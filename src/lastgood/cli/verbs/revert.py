"""`lastgood revert`."""

import os
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session
from lastgood.model.errors import ConsentNeeded, InDoubt, UsageError

if TYPE_CHECKING:
    from lastgood.git.revert import CodeRepo
    from lastgood.model.revert import Reverting, Wish
    from lastgood.ports import Forge

_MANY = 20
_REPO = "A clone of the code repo; else that of --service, else the one around here."


@click.command("revert")
@click.argument("commits", nargs=-1, metavar="COMMIT…")
@click.option("--service", metavar="S", help="The code repo that lastgood.yaml names for this service.")
@click.option("--mainline", type=click.IntRange(1, 64), metavar="N", help="The parent of a merge that stays.")
@click.option("--because", default="", metavar="TEXT", help="Goes into the message.")
@click.option("--branch", default="", metavar="BRANCH", help="The branch; else the configured one, else the remote's.")
@click.option("--pull-request", is_flag=True, help="Propose it on a branch of its own.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and end.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--at-most", default=_MANY, show_default=True, type=click.IntRange(1), help="--yes is for so many.")
@click.option("--suspect", nargs=2, metavar="SERVICE ENV", help="List the commits that the bad release brought.")
@click.option(
    "--deploy-repo", metavar="PATH", help="For --service and --suspect; else LASTGOOD_REPO, else around here."
)
@partial(verb, repo_help=_REPO)
def command(  # noqa: PLR0913 - one parameter per option
    session: Session,
    commits: tuple[str, ...],
    *,
    service: str | None,
    mainline: int | None,
    because: str,
    branch: str,
    pull_request: bool,
    dry_run: bool,
    yes: bool,
    at_most: int,
    suspect: tuple[str, str] | None,
    deploy_repo: str | None,
) -> int:
    """Revert commits of a code repo by new commits on its branch, pushed so that CI builds them.

    COMMIT is a hash, or a range OLDER..NEWER without OLDER. No working tree is touched. A conflict changes nothing.

    \b
    Examples:
      lastgood revert --suspect shop-api prod
      lastgood revert 1a2b3c4 --service shop-api
      lastgood revert 1a2b3c4..5d6e7f8 --mainline 1 --repo ~/shop-api --pull-request
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.model.revert import Wish

    if suspect is not None:
        return _suspects(session, commits, suspect, branch, deploy_repo)
    if not commits:
        raise UsageError("Which commit?", next=("lastgood revert --suspect SERVICE ENV", "lastgood revert COMMIT"))
    if service is not None and session.repo is not None:
        raise UsageError("--service and --repo contradict each other.", next=("give one of them",))
    repo = _code(session, service, branch, deploy_repo)
    wish = Wish(commits, mainline or 0, because)
    deploy = _deploy(session, deploy_repo) if service is not None or deploy_repo is not None else None
    return _revert(session, repo, wish, _How(pull_request, dry_run, yes, at_most, deploy))


@dataclass(frozen=True)
class _How:
    """How it is to be done; `deploy` is the deploy repo's session, where one is named, for the forge it configures."""

    pull_request: bool
    dry_run: bool
    yes: bool
    at_most: int
    deploy: Session | None


def _code(session: Session, service: str | None, branch: str, deploy_repo: str | None) -> "CodeRepo":
    """The code repo meant: that of a service, `--repo`, or the one around here."""
    from lastgood.wiring import code_repo

    if service is None:
        return code_repo(session.repo or ".", os.getcwd(), branch, session.places)  # noqa: PTH109 - a folder may hold anything
    deploy = _deploy(session, deploy_repo).service
    where, configured = deploy.source(service)
    return code_repo(where, deploy.repo, branch or configured, session.places)


def _deploy(session: Session, deploy_repo: str | None) -> Session:
    """The session as one in the deploy repo: `--repo` names the code repo here."""
    return replace(session, repo=deploy_repo)


def _suspects(
    session: Session, commits: tuple[str, ...], suspect: tuple[str, str], branch: str, deploy_repo: str | None
) -> int:
    from lastgood.cli.text_revert import suspects_text

    if commits:
        raise UsageError("--suspect lists commits; it reverts none.", next=("give either --suspect or COMMIT",))
    deploy = _deploy(session, deploy_repo)
    target = deploy.target(*suspect)
    repo = _code(session, None if session.repo else target.service, branch, deploy_repo)
    found = deploy.service.suspects(target, repo)
    session.answer("suspects", found, suspects_text(found, int(time.time())))
    return 0


def _revert(session: Session, repo: "CodeRepo", wish: "Wish", how: _How) -> int:
    from lastgood.cli.text_revert import reverted_text, reverting_text
    from lastgood.run.code import carry, prepare

    made = prepare(repo, wish)
    if how.dry_run:
        session.answer("reverting", made, reverting_text(made, int(time.time()), diff=True))
        return 0
    if made.undos:
        session.note(reverting_text(made, int(time.time()), diff=False))
        _agreed(session, made, how)
    try:
        done = carry(repo, wish, made, _forge(repo, how), pull_request=how.pull_request)
    except KeyboardInterrupt:
        raise InDoubt(
            "Interrupted: it is not known whether it was pushed.",
            because=("a push may have been under way",),
            next=(f"{session.command(*session.argv)}   # what is reverted already is not reverted twice",),
        ) from None
    session.answer("reverted", done, reverted_text(done))
    return int(done.exit)


def _forge(repo: "CodeRepo", how: _How) -> "Forge":
    """The code repo's forge: as the deploy repo configures it, else by the remote's address."""
    from lastgood.wiring import forge_of

    remote = repo.origin.url
    return how.deploy.service.forge(remote) if how.deploy else forge_of(remote, os.environ)


def _agreed(session: Session, made: "Reverting", how: _How) -> None:
    """Raises ConsentNeeded unless `--yes` for no more commits than `--at-most`, or an answer, agrees."""
    from lastgood.cli.asking import asked

    count = len(made.undos)
    again = tuple(word for word in session.argv if word != "--yes")
    if how.yes and count <= how.at_most:
        return
    if how.yes:
        raise ConsentNeeded(
            f"Nothing was touched: {count} commits would be reverted, and --yes is for at most {how.at_most}.",
            next=(session.command(*again, "--yes", "--at-most", str(count)), session.command(*again, "--dry-run")),
        )
    if not session.interactive:
        raise ConsentNeeded(
            "Nothing was touched: nobody agreed to it.",
            because=("this is no terminal, and --yes was not given",),
            next=(session.command(*again, "--dry-run"), session.command(*again, "--yes")),
        )
    where = "propose it" if how.pull_request else f"push to {made.branch}"
    if not asked(f"Revert {count} {'commit' if count == 1 else 'commits'} and {where}? [y/N] "):
        raise ConsentNeeded("Nothing was touched.", next=(session.command(*again),))
