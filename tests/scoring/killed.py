"""Runs `featurectl score` and kills it at a point that is named: `python -m tests.scoring.killed POINT NUMBER WORD ...`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from featurectl.cli.main import main
from featurectl.scoring import destination, kept, run

POINTS = ("range joined", "file half written", "file written", "output half written", "output written")
RANGE = 100_000  # rows, the fewest that there are in one


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at(number: int, owner: Any, name: str, *, after: bool) -> None:
    """Die when a function is called for the `number`th time: before it does its work, or after."""
    whole, left = getattr(owner, name), [number]

    def instead(*args: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and not after:
            _die()
        result = whole(*args, **more)
        if left[0] == 0:
            _die()
        return result

    setattr(owner, name, instead)


def arrange(point: str, number: int) -> None:
    """Have this process die at a point."""
    run.range_rows = lambda *_: RANGE
    match point:
        case "range joined":
            _at(number, kept.KeptScores, "add", after=False)
        case "file half written":
            _at(number, kept.np, "save", after=True)
        case "file written":
            _at(number, kept.KeptScores, "add", after=True)
        case "output half written":
            _at(number, kept.np, "load", after=True)
        case "output written":
            _at(1, destination, "write_with_manifest", after=True)


if __name__ == "__main__":
    arrange(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
