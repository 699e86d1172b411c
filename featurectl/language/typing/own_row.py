"""Labels over a horizon that count the very row of the spine that asks: [t, t + horizon) begins at it."""

from __future__ import annotations

from typing import Final

from featurectl.core.dtypes import BOOL, INT64
from featurectl.expressions.check import type_expression
from featurectl.expressions.row import to_closure
from featurectl.expressions.tree import Expression, ExpressionError
from featurectl.language.definitions.model import Label, Spine

_COUNT: Final = "count"
_TRIED: Final = range(1, 100)
_OWN_VALUE: Final = {
    "first": "is the row's own value: the row itself is the first with t <= event_time",
    "last": "is the row's own value where no other row follows within the horizon, which begins at the row itself",
}


def describe_own_row(spine: Spine) -> str:
    """Return what a spine's label counts wrongly, and what to write; "" where it leaves the row itself out.

    A label that counts rows of the spine's own source, all of them or those that are rows of the spine, counts at
    least one: `count > 0` is always true. One whose expression can tell one row from more leaves it out. The first of
    such rows is the row itself, and so is the last where none follows.
    """
    label = spine.label
    if label is None or not _has_own_row(label, spine):
        return ""
    if label.op in _OWN_VALUE:
        return f"the label {label.name} {_OWN_VALUE[label.op]}"
    if label.op != _COUNT or label.column is not None:
        return ""
    begin = f"the label {label.name} counts the row itself (t <= event_time)"
    if label.expression is None:
        return f"{begin}: `expr: count - 1` leaves it out"
    values = _values(label.expression)
    if values is None or (values[0] == 0 and not isinstance(values[0], bool)):
        return ""
    if not isinstance(values[0], bool):
        return f"{begin}: count - 1 leaves it out"
    if len(set(values)) > 1:
        return ""
    always = str(values[0]).lower()
    return f"{begin}, so that `{label.expression.text}` is always {always}: `count > 1` asks for another row"


def _has_own_row(label: Label, spine: Spine) -> bool:
    if label.source is None or label.source.name != spine.source.name or spine.time != spine.source.event_time:
        return False
    return label.where is None or (spine.where is not None and label.where.text == spine.where.text)


def _values(expression: Expression) -> list[object] | None:
    """Return what an expression makes of counts from 1 on; None where it is none of a count."""
    try:
        typed = type_expression(expression.text, {_COUNT: INT64})
    except ExpressionError:  # reported where it stands
        return None
    if typed.tree is None or typed.tree.dtype not in (BOOL, INT64):
        return None
    value = to_closure(typed.tree, {_COUNT: 0})
    return [value([count]) for count in _TRIED]
