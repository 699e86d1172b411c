"""What gates found, as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.cli.render.table import render_table
from featurectl.registry.state import GateResult

_WORDS = {True: "pass", False: "FAIL", None: "-"}


def render_gates(gates: Sequence[GateResult]) -> str:
    """Return a table, a line per gate: what was asked and what was measured."""
    rows = [[item.name, _WORDS[item.passed], item.asked, item.measured] for item in gates]
    return "\n".join(render_table(("gate", "", "asked", "measured"), rows))
