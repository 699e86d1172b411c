"""What a command is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from featurectl.core.errors import UsageError
from featurectl.core.units import missing_day, parse_instant

if TYPE_CHECKING:
    from featurectl.core.progress import Progress
    from featurectl.language.problems.codes import Problem
    from featurectl.operations.part_failure import Failure

Output = Literal["text", "concise", "json", "github", "markdown", "sarif", "junit", "mermaid", "dot"]
TextKind = Literal["prose", "plan", "document"]  # a document is for programs: no line of it is broken or colored
WHOLE: Final[tuple[Output, ...]] = ("sarif", "junit")  # one document, which holds the problems too


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The options that every command has, and where progress is reported."""

    command: str
    repo: Path | None
    env: str | None
    output: Output
    color: Literal["auto", "always", "never"]
    quiet: bool
    verbose: bool
    debug: bool
    as_of: str | None
    progress: Progress
    memory: str | None = None
    clock: str | None = None

    def root(self) -> Path:
        """Return the repository's root: `--repo`, else this folder or the nearest parent with a featurectl.yaml."""
        from featurectl.workspace.open import find_root

        return find_root(self.repo)

    def instant(self) -> datetime | None:
        """Return the instant of `--as-of`, or None when it is not given."""
        return _instant("--as-of", self.as_of)

    def clock_reading(self) -> datetime | None:
        """Return what the clock is taken to say, or None when it is looked at.

        All stages of a pipeline's run are given its start.
        """
        return _instant("--clock", self.clock)

    def memory_bytes(self) -> int | None:
        """Return what `--memory` leaves for rows, without the program itself; None: it is not given.

        Raises:
            UsageError: `--memory` is no size, or less than can be kept to.
        """
        from featurectl.core.memory import LEAST, memory_of_rows, parse_size

        if self.memory is None:
            return None
        size = parse_size(self.memory)
        if not size or size < LEAST:
            least = f"{LEAST >> 20}MiB"
            message = f"--memory {self.memory!r} is no size of at least {least}: the program itself takes most of less"
            raise UsageError(message, hint=f"write it like 4GiB; {least} is the smallest")
        return memory_of_rows(size)


def _instant(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    instant = parse_instant(text)
    if instant is None:
        raise UsageError(
            f"{option} {missing_day(text) or f'{text!r} is not an instant'}", hint="write it like 2026-11-24T12:00:00Z"
        )
    return instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command found: `text` for people, `result` for machines, problems and failures beside either.

    With failures the exit code is that of the gravest, whatever `exit_code` says. Paths of problems begin at `root`,
    by default at that of the call.
    """

    text: str = ""
    result: Mapping[str, object] = field(default_factory=dict)
    exit_code: int = 0
    problems: tuple[Problem, ...] = ()
    failures: tuple[Failure, ...] = ()
    root: Path | None = None
    drawings: Mapping[str, str] = field(default_factory=dict)  # the other outputs it can give, by name
    text_is: TextKind = "prose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A parsed command line, not run yet."""

    call: Call
    run: Callable[[], Outcome]
