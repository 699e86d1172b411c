"""Types that the files of a source have and nothing declares, said beside what does not fit them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from featurectl.core.dtypes import UNKNOWN
from featurectl.expressions.check import expression_columns
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.typing.scope import Issue, Part

_OF_TYPES = frozenset({"FC302", "FC305", "FC309", "FC312"})


def name_files(issues: Iterable[Issue], source: Source, view: FeatureView | None = None) -> list[Issue]:
    """Return issues of a source, or of a view of it, with the columns that they read and the path they are read from.

    Those of types alone, and where no `columns:` say the types: it may be the file that is wrong.
    """
    if source.columns_declared or not (source.path or source.iceberg) or not source.columns:
        return list(issues)
    return [_with_file(issue, source, view) if issue.code in _OF_TYPES else issue for issue in issues]


def _with_file(issue: Issue, source: Source, view: FeatureView | None) -> Issue:
    made = {item.name: item.expression.text for item in source.select}
    read = _read_by(issue.part, source) if view is None else _read_by_view(issue.part, view)
    raw = {column for name in read for column in (expression_columns(made[name]) if name in made else {name})}
    types = [
        f'"{name}" is {dtype}' for name, dtype in (source.columns or {}).items() if name in raw and dtype != UNKNOWN
    ]
    if not types:
        return issue
    origin = f"in {source.place} {', '.join(types)}"
    return replace(issue, hint=f"{issue.hint}; {origin}" if issue.hint else origin)


def _read_by(part: Part, source: Source) -> Iterable[str]:
    if part[0] == "select":
        return next((expression_columns(i.expression.text) for i in source.select if i.name == part[1]), ())
    clocks = {"event_time": source.event_time, "available_at": source.available_at}
    return (clocks[part[0]] or "",) if part[0] in clocks else ()


def _read_by_view(part: Part, view: FeatureView) -> Iterable[str]:
    """Return the columns of its source that a part of a view reads."""
    texts = {item.name: item.expression.text for item in view.inputs}
    match part:
        case ("where",):
            return expression_columns(view.where.text) if view.where else ()
        case ("key", key):
            return (view.join[key],)
        case ("input", name):
            return expression_columns(texts[name])
        case ("feature", name, *_):
            column = next((f.column for f in view.features if f.name == name), None)
            return expression_columns(texts[column]) if column in texts else ()
        case _:
            return ()
