"""What an applied object says of itself, a label and a text each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from featurectl.catalog.objects import AppliedObjects, CatalogKind, find_feature
from featurectl.catalog.words import alert_words, entity_words, notifier_words, one_line, source_words
from featurectl.core.units import format_duration
from featurectl.core.variables import shown_location
from featurectl.identity.facts.models import label_text, model_metadata
from featurectl.language.pipeline_words import cpu_text, memory_text, replicas_text
from featurectl.registry.state import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from featurectl.catalog.summaries import ObjectSummary
    from featurectl.language.definitions.about import Freshness
    from featurectl.language.definitions.on_events import OnEvents
    from featurectl.language.definitions.source import Check, Source
    from featurectl.language.definitions.view import FeatureView

Sayings = Iterator[tuple[str, str]]


def facts_of(objects: AppliedObjects, summary: ObjectSummary) -> dict[str, str]:
    """Return what an object says, by label; what it does not say is left out."""
    shared = [
        ("description", summary.description),
        ("owner", summary.owner),
        ("tags", ", ".join(summary.tags)),
    ]
    own = _FACTS[summary.kind](objects, summary.name)
    return {label: text for label, text in (*shared, *own) if text}


def freshness_words(freshness: Freshness | None) -> str:
    """Return an SLA in words; "" where there is none.

    >>> from featurectl.language.definitions.about import Freshness
    >>> freshness_words(Freshness(warn_after_us=3_600_000_000, error_after_us=21_600_000_000))
    'warn after 1h, error after 6h'
    """
    if freshness is None:
        return ""
    bounds = (("warn", freshness.warn_after_us), ("error", freshness.error_after_us))
    return ", ".join(f"{word} after {format_duration(length)}" for word, length in bounds if length is not None)


def _own_words(freshness: Freshness) -> str:
    return f"{freshness_words(freshness) or 'none'} (its own)"


def _of_view(objects: AppliedObjects, name: str) -> Sayings:
    view = objects.views[name]
    yield "kind", view.kind
    yield "entity", f"{view.entity.name} ({entity_words(view.entity)})" if view.entity else "none: one row"
    yield "source", _source_line(view.source)
    yield "join", ", ".join(f"{key} = {column}" for key, column in view.join.items() if key != column)
    yield "where", one_line(view.where.text) if view.where else ""
    yield from _row_rules(view)
    yield "freshness", freshness_words(view.freshness)
    yield from ((f"freshness of {name}", freshness_words(sla) or "none") for name, sla in view.own_freshness.items())
    yield "refresh", _every(view.refresh_us)
    yield "retention", _length(view.retention_us)
    yield "online", "yes" if view.online else "no, offline only"
    yield "checks", _checks(view.checks)


def _row_rules(view: FeatureView) -> Sayings:
    if view.transform:
        others = "".join(f", {other.name}" for other in view.transform.others)
        yield "function", f"{view.transform.function} of {view.transform.path} ({view.source.name}{others})"
        yield "lookback", _length(view.transform.lookback_us)
    if view.kind == "event":
        yield "window ends", "" if view.closed == "left" else f"closed: {view.closed}"
        yield "hop", _length(view.hop_us)
    else:
        yield "ttl", _length(view.ttl_us)


def _of_feature(objects: AppliedObjects, name: str) -> Sayings:
    view = objects.views[name.partition(":")[0]]
    item = find_feature(view, name.partition(":")[2])
    yield "type", item.dtype or "unknown"
    yield "entity", f"{view.entity.name} ({entity_words(view.entity)})" if view.entity else "none: one row"
    yield "source", _source_line(view.source)
    yield "aliases", ", ".join(item.aliases)
    yield "default", "" if item.default is None else f"{item.default}"
    yield "freshness", freshness_words(view.freshness) if item.freshness is None else _own_words(item.freshness)
    yield "online", "yes" if view.online else "no, offline only"


def _on_events(on_events: OnEvents | None) -> str:
    """Return where predictions on events go, and of which; "" of a model without."""
    if on_events is None:
        return ""
    to = f"topic {on_events.topic}" if on_events.topic else f"table {on_events.path}"
    where = f" where {one_line(on_events.where.text)}" if on_events.where else ""
    return f"to {to}{where}, up to {format_duration(on_events.max_age_us)} old"


def _of_model(objects: AppliedObjects, name: str) -> Sayings:
    model = objects.models[name]
    spine, trainer, state = model.spine, model.trainer, objects.state
    where = f" where {one_line(spine.where.text)}" if spine.where else ""
    known = f", known at {spine.known_at}" if spine.known_at else ""
    yield "spine", f"rows of {spine.source.name} at {spine.time}{known}{where}"
    yield "label", "" if spine.label is None else label_text(spine.label)
    yield "on events", _on_events(model.on_events)
    yield "inputs", f"{len(model.inputs)}: " + ", ".join(item.name for item in model.inputs)
    if trainer is not None:
        yield "trainer", trainer.estimator or f"command: {trainer.run}"
        yield "params", ", ".join(f"{key}={value}" for key, value in trainer.params.items())
    gates = [
        (field.removeprefix("gates."), fact.text)
        for field, fact in model_metadata(model).items()
        if field.startswith("gates.")
    ]
    yield (
        "gates",
        ", ".join(f"{gate} {text}" for gate, text in gates if text != "-") or "none: nothing judges a version",
    )
    for alias in (CHAMPION, CHALLENGER):
        number = state.aliases.get((name, alias))
        yield alias, "" if number is None else f"version {number}"
    canary = state.running_canary(name)
    yield (
        "canary",
        "" if canary is None else f"version {canary.challenger} beside {canary.champion}, {canary.percent:g} %",
    )


def _of_source(objects: AppliedObjects, name: str) -> Sayings:
    source = objects.sources[name]
    yield "format", source.format
    yield from _source_place(source)
    yield "event time", source.event_time or "none: the rows are always true"
    yield "available at", "when a worker took the event" if source.is_stream else source.available_at or ""
    yield "delay", _length(source.delay_us)
    yield "lateness", _length(source.lateness_us)
    yield "time zone", "" if source.timezone == "UTC" else source.timezone
    yield "tiebreak", ", ".join(source.tiebreak)
    yield "dedup key", ", ".join(source.dedup_key)
    yield "freshness", freshness_words(source.freshness)
    columns = {**(source.columns or {}), **{item.name: item.dtype or "unknown" for item in source.select}}
    yield "columns", ", ".join(f"{column} {dtype}" for column, dtype in columns.items())
    yield "checks", _checks(source.checks)


def _source_place(source: Source) -> Sayings:
    """Yield where the rows of a source are."""
    if source.iceberg is not None:
        yield "table", source.iceberg.table
        yield "catalog", shown_location(source.iceberg.catalog)
        return
    if source.stream is None:
        yield "query" if source.sql else "path", source_words(source).removeprefix("query: ")
        return
    stream = source.stream
    yield "topic", stream.topic
    yield "events", stream.format + (f" of {stream.schema_path}" if stream.schema_path else "")
    yield "partition key", ", ".join(stream.key)
    yield "url", shown_location(stream.url)
    yield "retention", _length(stream.retention_us)
    yield "schema registry", shown_location(stream.registry)
    yield "history", source.history.name if source.history else ""


def _of_entity(objects: AppliedObjects, name: str) -> Sayings:
    yield "keys", entity_words(objects.entities[name])


def _of_pipeline(objects: AppliedObjects, name: str) -> Sayings:
    pipeline = objects.pipelines[name]
    yield "schedule", f"{pipeline.schedule} (UTC)" if pipeline.schedule else "none: it is run by hand"
    for stage in pipeline.stages:
        needs = f", after {', '.join(stage.needs)}" if stage.needs else ""
        yield f"stage {stage.name}", f"{stage.run}{needs}"


def _of_deployment(objects: AppliedObjects, name: str) -> Sayings:
    deployment = objects.deployments[name]
    resources = deployment.resources
    yield "run", deployment.run
    yield "replicas", replicas_text(deployment.replicas)
    yield "processors", "" if resources.cpu is None else cpu_text(resources.cpu)
    yield "memory", "" if resources.memory_bytes is None else memory_text(resources.memory_bytes)


def _of_alert(objects: AppliedObjects, name: str) -> Sayings:
    alert = objects.alerts[name]
    yield "when", alert_words(alert)
    yield "severity", alert.severity
    yield "notify", ", ".join(alert.notify)
    yield "repeat", _every(alert.repeat_us)


def _of_notifier(objects: AppliedObjects, name: str) -> Sayings:
    notifier = objects.notifiers[name]
    yield "by", notifier.way
    yield "address", notifier_words(notifier)


_FACTS: Final[Mapping[CatalogKind, Callable[[AppliedObjects, str], Sayings]]] = {
    "view": _of_view,
    "feature": _of_feature,
    "model": _of_model,
    "source": _of_source,
    "entity": _of_entity,
    "pipeline": _of_pipeline,
    "deployment": _of_deployment,
    "alert": _of_alert,
    "notifier": _of_notifier,
}


def _source_line(source: Source) -> str:
    return f"{source.name} ({source.format}, {source_words(source)})"


def _length(length_us: int | None) -> str:
    return "" if length_us is None else format_duration(length_us)


def _every(length_us: int | None) -> str:
    return "" if length_us is None else f"every {format_duration(length_us)}"


def _checks(checks: tuple[Check, ...]) -> str:
    return ", ".join(check.label + " (warn)" * (check.severity == "warn") for check in checks)
