"""Which columns of a view its offline table holds, and by which expressions they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from featurectl.expressions.check import expression_columns, untyped_canonical
from featurectl.offline.base import Coverage
from featurectl.spec.definition import FeatureView


def input_marks(view: FeatureView) -> dict[str, str]:
    """Return a digest per input column: of its expression, and of the `select` columns that it reads."""
    select = {item.name: item.expression.text for item in view.source.select}
    return {item.name: _mark(item.expression.text, select) for item in view.inputs}


def lacking_inputs(coverage: Coverage, view: FeatureView) -> frozenset[str]:
    """Return the inputs of the view that its table does not hold, or holds by another expression."""
    return frozenset(name for name, mark in input_marks(view).items() if coverage.inputs.get(name) != mark)


def _mark(text: str, select: Mapping[str, str]) -> str:
    used = sorted(expression_columns(text) & select.keys())
    form = [untyped_canonical(text), [[name, untyped_canonical(select[name])] for name in used]]
    return hashlib.sha256(json.dumps(form).encode()).hexdigest()[:16]
