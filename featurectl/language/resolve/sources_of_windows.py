"""Sources without a time that several views have windows over: reported once, at the source."""

from __future__ import annotations

from collections.abc import Iterable

from featurectl.language.problems.codes import Problem
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.view import FeatureViewShape
from featurectl.language.syntax.place import Place


def check_timeless(views: Iterable[FeatureViewShape], declared: Declarations) -> None:
    """Report each source without an event time that more than one view has windows over, unless it is known."""
    found: dict[str, list[tuple[Place, str]]] = {}
    for view in views:
        node = view.fields.scalar("source")
        source = declared.sources.get(node.text) if node else None
        if source is not None and source.static and view.aggregates is not None:
            place = view.fields.keys["aggregates"].place
            found.setdefault(source.name, []).append((place, f'feature view "{view.name}" has windows'))
    for name, users in found.items():
        if len(users) > 1 and name not in declared.timeless:
            declared.timeless.add(name)
            message = f'windows of {len(users)} feature views need a time, and source "{name}" has no event_time'
            place = declared.names["source", name]
            declared.report.add(Problem(code="FC307", message=message, place=place, related=tuple(users[:3])))
