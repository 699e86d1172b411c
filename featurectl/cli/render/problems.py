"""Problems as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurectl.cli.call import Call
    from featurectl.spec.problems import Problem


def render_problems(problems: Sequence[Problem], call: Call) -> str:
    """Return the problems in the call's output form."""
    return "\n".join(f"{p.place}: {p.severity}[{p.code}]: {p.message}" for p in problems)


def problems_json(problems: Sequence[Problem]) -> list[dict[str, object]]:
    """Return the problems ready for JSON."""
    return [{"code": p.code, "message": p.message, "place": str(p.place)} for p in problems]
