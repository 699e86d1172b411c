"""What a view of a stream may say: its values are kept up to date event by event, in a state that stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.source import Source
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.base import listed_names, scalars
from featurectl.language.shapes.values import LIFETIME
from featurectl.language.shapes.view import AggregateShape, FeatureViewShape
from featurectl.language.syntax.node import ScalarNode
from featurectl.language.syntax.place import Place

_STEPS = "a `hop` forgets single events"
_WITHOUT_END = "`lifetime` has no end"


def check_stream_view(shape: FeatureViewShape, sources: Sequence[Source | None], declared: Declarations) -> None:
    """Report FC316 for each part of a view of a stream that no bounded state can answer."""
    streams = [source for source in sources if source is not None and source.is_stream]
    if not streams:
        return
    stream, report, fields = streams[0], declared.report, shape.fields
    declared_at = (declared.names[("source", stream.name)], f'stream "{stream.name}" is declared here')
    if shape.transform is not None:
        message = f'a Python transform sees whole tables, and source "{stream.name}" is a stream'
        note = "say it by `select` and `aggregates`, or make a view of the stream's history"
        report.clash("FC316", message, fields.keys["transform"].place, declared_at, note=note)
        return
    if shape.refresh is not None:
        message = "values of a stream are as fresh as the stream: they are not computed once in a `refresh`"
        report.clash("FC316", message, fields.keys["refresh"].place, declared_at)
    if shape.hop is not None and stream.dedup_key:
        message = f'{_STEPS}, and repeats are found by those that are kept: source "{stream.name}" has a `dedup_key`'
        note = "leave `hop` out: windows are exact then, and repeats are dropped"
        report.clash("FC316", message, fields.keys["hop"].place, _key_place(stream, declared), note=note)
    for aggregate in shape.aggregates or ():
        _check_aggregate(aggregate, stream, declared, hops=shape.hop is not None)


def _check_aggregate(shape: AggregateShape, stream: Source, declared: Declarations, *, hops: bool) -> None:
    report = declared.report
    lifetime = any(node.text == LIFETIME for node in listed_names(shape.fields, "windows"))
    for op, node in _known_ops(shape):
        reasons = [reason for reason, holds in ((_STEPS, hops), (_WITHOUT_END, lifetime)) if holds]
        if reasons and not AGGREGATES[op].folds:
            note = "approx_count_distinct needs none" if op == "count_distinct" else ""
            message = f"{op} of a stream needs every value of its window: {' and '.join(reasons)}"
            report.error("FC316", message, node.span.place, note=note)
        elif lifetime and stream.dedup_key and AGGREGATES[op].counts_repeats:
            message = f"a repeat changes {op}, and over {LIFETIME} it is not known after its first copy is folded"
            note = "give it a window, or aggregate another copy of the source without `dedup_key`"
            report.clash("FC316", message, node.span.place, _key_place(stream, declared), note=note)


def _known_ops(shape: AggregateShape) -> Iterator[tuple[str, ScalarNode]]:
    for node in listed_names(shape.fields, "op") or scalars(shape.fields, "op"):
        if node.text in AGGREGATES:
            yield node.text, node


def _key_place(stream: Source, declared: Declarations) -> tuple[Place, str]:
    head = declared.names[("source", stream.name)]
    place = declared.places.get(("source", stream.name, "dedup_key"), head)
    return place, f'the `dedup_key` of stream "{stream.name}"'
