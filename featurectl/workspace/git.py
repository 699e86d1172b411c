"""What git says of a repository's folder: its commit, how many files differ, and what the commit contains.

Git is asked as of a stranger's folder: nothing that its configuration names is run (hooks, file monitors, filters,
transports), nothing is fetched or written, and a git that hangs is ended.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from featurectl.core.commits import GitCommit

TIMEOUT_S: Final = 10.0  # of all that is asked of one folder
_FULL: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT: Final = re.compile(r"[0-9a-f]{4,63}")
_DEFINITIONS: Final = (".yaml", ".yml", ".py", ".sql", ".avsc")  # of files that git does not know, those of plans
_MOST_COMMITS: Final = 1000  # that are looked through for what was squashed
# What the folder's own configuration can't override: settings of the command line, and variables.
_SETTINGS: Final = (
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.bareRepository=explicit",
    "--no-pager", "--no-optional-locks", "--literal-pathspecs",
)  # fmt: skip
_VARIABLES: Final = {
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
_TRUSTED: Final = ("system", "global", "command")  # scopes of configuration that are the user's
# Variables of git that are the user's configuration, or end the search for a repository.
_USERS: Final = re.compile(r"GIT_CONFIG_(?!PARAMETERS)|GIT_CEILING_DIRECTORIES$")


class _NoAnswerError(Exception):
    """Git has no answer; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A folder as git has it; `commit` None: it has no commit, and `problem` says why.

    With a commit, `problem` says why it is not known whether files differ from it.
    """

    root: Path
    commit: GitCommit | None = None
    shallow: bool = False
    prefix: str = ""
    problem: str = ""


def git_commit(root: Path) -> str:
    """Return the commit that the repository's folder is at, as the registry keeps it; "" without one."""
    return str(read_checkout(root).commit or "")


def read_checkout(root: Path, timeout_s: float = TIMEOUT_S) -> Checkout:
    """Return the commit that a folder is at, and how many of its files differ. Never raises."""
    try:
        git = _Git(root, timeout_s)
        shallow, prefix, head = _head(git)
    except _NoAnswerError as error:
        return Checkout(root=root, problem=str(error))
    try:
        files, problem = _dirty_files(git), ""
    except _NoAnswerError as error:
        files, problem = 0, f"whether files differ from commit {head[:7]} is not known: {error}"
    commit = GitCommit(hash=head, dirty_files=files)
    return Checkout(root=root, commit=commit, shallow=shallow, prefix=prefix, problem=problem)


def contains(
    checkout: Checkout, applied: GitCommit, at: datetime | None = None, timeout_s: float = TIMEOUT_S
) -> tuple[bool | None, str]:
    """Return whether a checkout's commit contains another one, and what is to say of that; None: can't tell.

    A commit that was squashed is contained when a newer one had the same files in the folder. `at` is when it was
    applied: a commit that is unknown, and was applied after the checkout's own was made, is likely to be a newer one.
    """
    if checkout.commit is None:
        return None, checkout.problem
    head = checkout.commit.hash
    if head == applied.hash:
        return True, ""
    try:
        git = _Git(checkout.root, timeout_s)
        commit = _resolved(git, applied.hash)
        if commit is None:
            return None, f"this clone has no commit {applied.hash[:7]}: {_why_unknown(git, head, at)}"
        if _is_ancestor(git, commit, head):
            return True, ""
        if checkout.shallow:
            return None, "this clone is shallow (actions/checkout: `fetch-depth: 0`; git fetch --unshallow)"
        if _was_squashed(git, checkout.prefix, commit, head):
            return True, ""
        return False, "is older than" if _is_ancestor(git, head, commit) else "does not contain"
    except _NoAnswerError as error:
        return None, str(error)


def _head(git: _Git) -> tuple[bool, str, str]:
    """Return whether the clone is shallow, where the folder is in it, and the commit."""
    code, out, err = git.ask("rev-parse", "--is-shallow-repository", "--show-prefix", "HEAD")
    if code == 0:
        first, *middle, last = out.splitlines()
        if _FULL.fullmatch(last):
            return first == "true", "\n".join(middle), last
    if "not a git repository" in err:
        raise _NoAnswerError("this folder is in no git repository")
    if "dubious ownership" in err:
        hint = "git config --global --add safe.directory, with its folder, says that it may be"
        raise _NoAnswerError(f"the git repository belongs to another user ({hint})")
    raise _NoAnswerError("there is no commit yet" if "HEAD" in err else _reason(err))


def _dirty_files(git: _Git) -> int:
    """Return how many files of the folder are not as the commit has them; of unknown ones, definitions alone count."""
    code, out, err = git.ask(
        "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=all", "--", ".",
        extra=_without_filters(git),
    )  # fmt: skip
    if code != 0:
        raise _NoAnswerError(_reason(err))
    entries = [entry for entry in out.split("\0") if entry]
    return sum(entry[:2] != "??" or entry.endswith(_DEFINITIONS) for entry in entries)


def _without_filters(git: _Git) -> dict[str, str]:
    """Return the settings that turn off filters which the folder's own configuration names: they are commands."""
    code, out, _ = git.ask("config", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\..*\.")
    if code not in (0, 1):
        raise _NoAnswerError("this git is older than 2.26")
    words = out.split("\0")
    scoped = zip(words[::2], words[1::2], strict=False)
    drivers = {name.rpartition(".")[0] for scope, name in scoped if scope not in _TRUSTED}
    return {f"{driver}.{key}": off for driver in sorted(drivers) for key, off in _OFF.items()}


_OFF: Final = {"clean": "", "smudge": "", "process": "", "required": "false"}


def _resolved(git: _Git, text: str) -> str | None:
    """Return the whole hash of a commit, None where this clone has it not; older registries hold short ones."""
    if _FULL.fullmatch(text):
        found = [text]
    elif _SHORT.fullmatch(text):
        found = git.ask("rev-parse", f"--disambiguate={text}")[1].split()
    else:
        raise _NoAnswerError(f"{text!r} is no commit")
    _, out, _ = git.ask("cat-file", "--batch-check", given="".join(f"{name}\n" for name in found))
    commits = [words[0] for words in map(str.split, out.splitlines()) if words[1:2] == ["commit"]]
    if not commits:
        return None
    if len(commits) > 1:
        raise _NoAnswerError(f"{len(commits)} commits begin with {text}")
    return commits[0]


def _why_unknown(git: _Git, head: str, at: datetime | None) -> str:
    _, out, _ = git.ask("rev-list", "--timestamp", "--max-count=1", head)  # `show` may run a program for signatures
    made = out.partition(" ")[0]
    if at is not None and made.isdigit() and int(made) < at.timestamp():
        return "it was applied after this checkout's own commit was made, and may be newer: git pull"
    return "it was squashed, or was never pushed"


def _is_ancestor(git: _Git, old: str, new: str) -> bool:
    code, _, err = git.ask("merge-base", "--is-ancestor", old, new)
    if code not in (0, 1):
        raise _NoAnswerError(_reason(err))
    return code == 0


def _was_squashed(git: _Git, prefix: str, commit: str, head: str) -> bool:
    """Return whether one of the commits that only `head` has left the folder as `commit` has it."""
    where = ("--", ".") if prefix else ()
    _, out, _ = git.ask("rev-list", f"--max-count={_MOST_COMMITS}", f"{commit}..{head}", *where)
    path = f":{prefix.rstrip('/')}" if prefix else "^{tree}"
    asked = "".join(f"{name}{path}\n" for name in (commit, *out.split()))
    answers = [line.split()[:2] for line in git.ask("cat-file", "--batch-check", given=asked)[1].splitlines()]
    trees = [words[0] if words[1:] == ["tree"] else "" for words in answers]
    return bool(trees and trees[0]) and trees[0] in trees[1:]


def _reason(err: str) -> str:
    lines = err.strip().splitlines()
    return f"git: {lines[0].removeprefix('fatal: ')[:200]}" if lines else "git fails without a word"


class _Git:
    """Git, asked in a folder; all answers together have to come within a time."""

    def __init__(self, root: Path, timeout_s: float) -> None:
        program = shutil.which("git")
        if program is None or not Path(program).is_absolute():  # one of this folder is nobody's choice
            raise _NoAnswerError("there is no git on PATH")
        self._begin = [program, "-C", str(root), *_SETTINGS]
        self._environ = _environ()
        self._timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s

    def ask(self, *words: str, given: str = "", extra: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Return the exit code, the answer and what was said beside it; `extra` are more settings."""
        environ = _with_settings(self._environ, extra or {})
        try:
            return _run([*self._begin, *words], given, environ, max(self._end - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            raise _NoAnswerError(f"git has not answered within {self._timeout_s:g} s") from None
        except (OSError, ValueError) as error:
            raise _NoAnswerError(f"git can't be run: {error}") from None


def _run(words: Sequence[str], given: str, environ: Mapping[str, str], timeout_s: float) -> tuple[int, str, str]:
    """Run a command; one that is not waited for to its end is ended with all that it began."""
    with subprocess.Popen(  # noqa: S603 (git)
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(given.encode("utf-8", "surrogateescape"), timeout_s)
        except BaseException:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, os.fsdecode(out), os.fsdecode(err)


def _environ() -> dict[str, str]:
    """Return the variables that git gets: none that point it to another repository, as those of a hook do."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or _USERS.match(k)}
    return kept | _VARIABLES


def _with_settings(environ: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return variables with more settings in them, behind those that are there."""
    count = environ.get("GIT_CONFIG_COUNT", "")
    first = int(count) if count.isdigit() else 0
    more: dict[str, str] = {}
    for number, (key, value) in enumerate(settings.items(), first):
        more |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**environ, **more, **({"GIT_CONFIG_COUNT": str(first + len(settings))} if settings else {})}
