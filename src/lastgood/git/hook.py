"""The pre-push hook: where git looks for it, what stands there, and the script. githooks(5) has the protocol."""

import enum
import shlex

import msgspec

from lastgood.git.names import branch_name
from lastgood.git.plumbing import Git, why
from lastgood.model.errors import GitUnavailable, Refused
from lastgood.ports import Process

KEPT = ".before-lastgood"
_MARK = b"# lastgood guard: put here by `lastgood guard install`, taken out again by `lastgood guard uninstall`."
# Configuration that other repositories of this machine share: a hook there would act in all of them.
_SHARED = ("global", "system")


class HookState(enum.StrEnum):
    """What stands where git looks for the hook."""

    NONE = "none"
    OURS = "ours"
    OTHER = "other"


class Place(msgspec.Struct, frozen=True):
    """Where git looks for the hook; `shared` names the configuration where other repositories look there as well."""

    path: str
    shared: str = ""

    @property
    def kept(self) -> str:
        """Where a hook that was there before is kept."""
        return self.path + KEPT


def place(process: Process, repo: str) -> Place:
    """Where git looks for the pre-push hook of the repository at `repo`: worktrees and `core.hooksPath` count.

    Raises GitUnavailable where it is no repository.
    """
    git = Git(process, "-C", repo, by_user=True)
    # For a worktree these are the hooks of its main repository (git-rev-parse(1), --git-path).
    found = git.attempt("rev-parse", "--path-format=absolute", "--git-path", "hooks", hermetic=False)
    if not found.ok:
        raise GitUnavailable(
            f"{repo} is not a git repository that can be read.", because=(why(found),), next=("--repo PATH",)
        )
    scope = git.attempt("config", "--show-scope", "--get", "core.hooksPath", hermetic=False)
    word = scope.text.split("\t")[0] if scope.ok else ""
    folder = found.stdout.decode(errors="surrogateescape").rstrip("\n")
    return Place(f"{folder}/pre-push", word if word in _SHARED else "")


def private(where: Place, repo: str) -> Place:
    """`where`, if it is this repository's own. Raises Refused where other repositories share it."""
    if where.shared:
        raise Refused(
            f"The hooks of {repo} are shared with other repositories, so none is put there.",
            because=(f"core.hooksPath is set in the {where.shared} configuration: {where.path}",),
            next=(
                f"git -C {shlex.quote(repo)} config --local core.hooksPath .git/hooks   # its own hooks, then again",
            ),
        )
    return where


def state(content: bytes | None) -> HookState:
    """What a file's content is, None where there is no file."""
    if content is None:
        return HookState.NONE
    return HookState.OURS if _MARK in content else HookState.OTHER


def script(branches: tuple[str, ...], program: str) -> bytes:
    """The hook for these branches; `program` is the lastgood to call where none is in PATH, empty where none is known.

    Raises ConfigError for what is no branch name. A branch name holds no space and no pattern, so the list of them is
    one quoted word that the shell may split.
    """
    named = " ".join(branch_name(branch) for branch in branches)
    text = _SCRIPT.replace("@MARK@", _MARK.decode()).replace("@KEPT@", KEPT)
    return text.replace("@BRANCHES@", shlex.quote(named)).replace("@PROGRAM@", shlex.quote(program)).encode()


_SCRIPT = r"""#!/bin/sh
@MARK@
# Refuses to delete or rewrite a protected branch, and to push a pin of a quarantined release to it.
# `git push --no-verify` goes around every hook; the branch protection of the server and `lastgood guard check` in CI
# are what holds for everybody.
set -f
protected=@BRANCHES@
program=@PROGRAM@

refuse() {
  printf 'lastgood guard: %s\n' "$1" >&2
  shift
  for line; do printf '  next       %s\n' "$line" >&2; done
  exit 1
}

pushed=$(cat)
[ -n "$pushed" ] || exit 0

before=$(dirname -- "$0")/pre-push@KEPT@
if [ -x "$before" ]; then
  printf '%s\n' "$pushed" | "$before" "$@" || exit $?
fi

is_protected() {
  for branch in $protected; do
    [ "$1" = "refs/heads/$branch" ] && return 0
  done
  return 1
}

is_zero() {
  case $1 in *[!0]*) return 1 ;; esac
}

pins() {
  git cat-file -e "$1:lastgood.yaml" 2>/dev/null || return 0
  lastgood=$(command -v lastgood) || lastgood=$program
  if [ -z "$lastgood" ] || ! [ -x "$lastgood" ]; then
    printf 'lastgood guard: lastgood is not found, so pins of quarantined releases were NOT looked for\n' >&2
    return 0
  fi
  repo=$(git rev-parse --show-toplevel 2>/dev/null) || repo=$(git rev-parse --absolute-git-dir)
  if is_zero "$2"; then
    set -- --head "$1" --branch "$3"
  else
    set -- --head "$1" --branch "$3" --base "$2"
  fi
  "$lastgood" guard check --quiet --repo "$repo" "$@" </dev/null >&2 ||
    refuse "the push to $name was refused for the reasons above" "lastgood guard check $*"
}

# <local ref> <local id> <remote ref> <remote id>; a local ref may be an expression with spaces in it
while IFS= read -r line; do
  remote_id=${line##* }; line=${line% *}
  remote_ref=${line##* }; line=${line% *}
  local_id=${line##* }
  is_protected "$remote_ref" || continue
  name=${remote_ref#refs/heads/}
  if is_zero "$local_id"; then
    refuse "$name is protected and must not be deleted"
  fi
  if ! is_zero "$remote_id"; then
    git cat-file -e "$remote_id^{commit}" 2>/dev/null ||
      refuse "$name has commits on the remote that are not here, so it cannot be seen whether they would be lost" \
        "git fetch, then git merge or git rebase, then push again"
    git merge-base --is-ancestor "$remote_id" "$local_id" ||
      refuse "$name is protected and its history must not be rewritten: $remote_id would be lost" \
        "git revert what is to go, and push that"
  fi
  pins "$local_id" "$remote_id" "$name"
done <<EOF
$pushed
EOF
"""
