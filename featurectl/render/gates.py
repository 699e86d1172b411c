"""What gates found, as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.core.units import counted
from featurectl.registry.state import GateResult
from featurectl.render.page import PageTable, page_text

_WORDS = {True: "pass", False: "FAIL", None: "-"}


def render_gates(gates: Sequence[GateResult]) -> str:
    """Return a table, a line per gate."""
    return page_text([[gates_table(gates)]])


def gates_table(gates: Sequence[GateResult]) -> PageTable:
    """Return a table, a line per gate: what was asked and what was measured."""
    rows = [[item.name, _WORDS[item.passed], item.asked, item.measured] for item in gates]
    return PageTable(head=("gate", "", "asked", "measured"), rows=rows)


def render_rejection(gates: Sequence[GateResult]) -> str:
    """Return what stands below a version that fails gates, each with what was asked; nothing of one that fails none.

    >>> render_rejection([GateResult(name="min_auc", asked="at least 0.5", measured="0.7")])
    ''
    """
    failed = [item for item in gates if item.passed is False]
    if not failed:
        return ""
    return f"\n{render_gates(failed)}\nrejected: it fails {counted(len(failed), 'gate')}; kept, and not champion."
