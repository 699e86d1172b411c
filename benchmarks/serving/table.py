"""The table: each line is a work, our figure, a rival's, the ratio of the two, and what is aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HEAD: Final = ("work", "ours", "rival", "theirs", "ratio", "goal", "reached", "beside it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure: `ours` and `theirs` in `unit`; `most` or `least` is the goal, `times` what ours has to be of theirs.

    A rate (`least`, `times`) is better when it is greater, all else when it is smaller.
    """

    work: str
    ours: float
    unit: str
    rival: str = "-"
    theirs: float | None = None
    most: float | None = None
    least: float | None = None
    times: float | None = None
    beside: str = ""

    def cells(self) -> list[str]:
        """Return the line as texts.

        >>> Line(work="read", ours=0.15, unit="ms", rival="Feast", theirs=0.45, most=0.2).cells()[1:7]
        ['0.15 ms', 'Feast', '0.45 ms', '0.33', 'at most 0.2 ms', 'yes']
        """
        ratio = self.ours / self.theirs if self.theirs else None
        goals, reached = [], []
        if self.most is not None:
            goals.append(f"at most {self.most:g} {self.unit}")
            reached.append(self.ours <= self.most)
        if self.least is not None:
            goals.append(f"at least {self.least:,g} {self.unit}")
            reached.append(self.ours >= self.least)
        if self.times is not None:
            goals.append(f"{self.times:g} times theirs")
            reached += [] if ratio is None else [ratio >= self.times]
        told = "-" if not reached else "yes" if all(reached) else "no"
        theirs = "-" if self.theirs is None else self._shown(self.theirs)
        shown = "-" if ratio is None else f"{ratio:.2f}"
        return [
            self.work,
            self._shown(self.ours),
            self.rival,
            theirs,
            shown,
            ", ".join(goals) or "-",
            told,
            self.beside,
        ]

    def _shown(self, value: float) -> str:
        return f"{value:,.0f} {self.unit}" if value >= 100 else f"{value:.3g} {self.unit}"


def render(lines: Sequence[Line]) -> str:
    """Return a Markdown table."""
    rows = [HEAD, tuple("---" for _ in HEAD), *(line.cells() for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
