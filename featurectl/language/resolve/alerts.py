"""Alerts and notifiers: their references."""

from __future__ import annotations

from featurectl.language.definitions.alerts import WAYS, Alert, Notifier, vain_part, wrong_address
from featurectl.language.resolve.declarations import Declarations, check_declared
from featurectl.language.shapes.alerts import AlertShape, NotifierShape, condition_of
from featurectl.language.shapes.base import listed_names
from featurectl.language.syntax.node import Fields


def resolve_alert(shape: AlertShape, declared: Declarations) -> Alert:
    """Return an alert; unknown notifiers, views, models and pipelines are reported (`*` is a pattern).

    A notifier that is named twice is notified once.
    """
    check_alert_names(shape.fields, declared)
    when = condition_of(shape.when)
    if wrong := vain_part(when):
        declared.report.error("FC104", wrong, shape.fields.place("when"))
    if shape.pipelines and when.metric != "pipeline_failures":
        message = f"runs of pipelines are counted by pipeline_failures; {when.metric} is not measured on them"
        declared.report.error("FC104", message, shape.fields.place("pipelines"))
    return Alert(
        name=shape.name,
        when=when,
        severity=shape.severity,
        notify=tuple(dict.fromkeys(shape.notify)),
        for_us=shape.for_ or 0,
        repeat_us=shape.repeat,
        views=tuple(shape.views),
        models=tuple(shape.models),
        pipelines=tuple(shape.pipelines),
    )


def check_alert_names(fields: Fields, declared: Declarations) -> None:
    """Report unknown notifiers, views, models and pipelines of an alert that may be wrong in other ways."""
    check_declared("notifier", listed_names(fields, "notify"), declared)
    check_declared("feature_view", listed_names(fields, "views"), declared)
    check_declared("model", listed_names(fields, "models"), declared)
    check_declared("pipeline", listed_names(fields, "pipelines"), declared)


def resolve_notifier(shape: NotifierShape, declared: Declarations) -> Notifier | None:
    """Return a notifier; None where it has no way, which is reported by its shape. An address that is none is reported.

    One that begins with a variable is seen when a message is sent.
    """
    ways = [
        Notifier(name=shape.name, way=way, address=text) for way in WAYS if (text := getattr(shape, way)) is not None
    ]
    if ways and (wrong := wrong_address(ways[0])):
        declared.report.error("FC104", wrong, shape.fields.place(ways[0].way))
    return ways[0] if ways else None
