"""Which views and models an alert is about, by its patterns and by who reads what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from featurectl.language.definitions.alerts import Alert


def is_about_all(alert: Alert) -> bool:
    """Return whether an alert names nothing: it is about all views and models that its metric is measured on."""
    return not alert.views and not alert.models and not alert.pipelines


def views_of_alert(alert: Alert, views: Iterable[str], readers: Mapping[str, Collection[str]]) -> list[str]:
    """Return the views of an alert that names some: those, and those that its models read, in the order of `views`.

    `readers` are the views that each model reads.
    """
    read = {view for model, names in readers.items() if matches(model, alert.models) for view in names}
    return [view for view in views if matches(view, alert.views) or view in read]


def models_of_alert(alert: Alert, readers: Mapping[str, Collection[str]]) -> list[str]:
    """Return the models of an alert that names some: those, and those that read its views, in the order of `readers`.

    >>> from featurectl.language.definitions.alerts import Condition
    >>> old = Condition(metric="freshness", op=">", value=1.0)
    >>> alert = Alert(name="old", when=old, severity="info", notify=(), views=("delay*",), models=("fare",))
    >>> models_of_alert(alert, {"late": ["delays"], "fare": ["prices"], "full": ["prices"]})
    ['late', 'fare']
    """
    return [
        model
        for model, views in readers.items()
        if matches(model, alert.models) or any(matches(view, alert.views) for view in views)
    ]


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name is one of some names or patterns.

    >>> matches("late_arrival", ["late_*"]), matches("late_arrival", ["*_departure"]), matches("late_arrival", [])
    (True, False, False)
    """
    return any(fnmatchcase(name, pattern) for pattern in patterns)
