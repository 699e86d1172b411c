"""The history of a stream: a batch source of the same events, for the time before the stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from featurectl.core.dtypes import DATE, UNKNOWN
from featurectl.expressions.check import expression_columns, untyped_canonical
from featurectl.language.definitions.source import Source
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.source import SourceShape
from featurectl.language.typing.sources import row_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryDifference:
    """What a stream and its history disagree on: a key of each, and perhaps a name below that key."""

    message: str
    key: str
    name: str = ""


def resolve_history(shape: SourceShape, declared: Declarations) -> None:
    """Give a declared stream its history, resolved; report one that is not there, is a stream, or differs."""
    stream = declared.sources.get(shape.name)
    if shape.history is None or stream is None or not stream.is_stream:
        return
    node, report = shape.fields.scalar("history"), declared.report
    before, place = report.errors, shape.fields.place("history")
    found = declared.find(declared.sources, "source", shape.history, node)
    if found is None:
        return
    if found.is_stream:
        message = f'"{shape.history}" is a stream; a history is read from files or a database'
        report.error("FC104", message, place)
        return
    declared_at = declared.names[("source", found.name)]
    if not {("source", found.name), ("source", shape.name)} & declared.broken:
        for difference in history_differences(stream, found):
            other = declared.places.get(("source", found.name, difference.key), declared_at)
            own = declared.places.get(("source", shape.name, difference.key, difference.name))
            own = own or declared.places.get(("source", shape.name, difference.key), place)
            report.clash("FC317", difference.message, own, (other, f'its history "{found.name}" is declared here'))
    if not stream.dedup_key and not found.dedup_key:
        message = f'without a `dedup_key`, an event that "{found.name}" and the stream both hold counts twice'
        report.warning("FC360", message, place, note="dedup_key: [NAME] in both, of columns that name an event")
    if report.errors > before:
        declared.broken.add(("source", shape.name))
    declared.sources[shape.name] = replace(stream, history=found)


def history_differences(stream: Source, history: Source) -> Iterator[HistoryDifference]:
    """Give what would make an event of the history another one than the same event of the stream."""
    if history.static:
        yield HistoryDifference(message=f'history "{history.name}" has no event_time', key="event_time")
    else:
        yield from _keys(stream, history)
    yield from _columns(stream, history)
    yield from _select(stream, history)


def _keys(stream: Source, history: Source) -> Iterator[HistoryDifference]:
    """Give the keys that are of the event itself, and not the same."""
    pairs = {
        "event_time": (stream.event_time or "", history.event_time or ""),
        "tiebreak": (", ".join(stream.tiebreak), ", ".join(history.tiebreak)),
        "dedup_key": (", ".join(sorted(stream.dedup_key)), ", ".join(sorted(history.dedup_key))),
        "nan": (stream.nan, history.nan),
    }
    if (row_columns(stream) or {}).get(stream.event_time or "") == DATE:  # whose midnights are those of the zone
        pairs["timezone"] = (stream.timezone, history.timezone)
    for key, (own, other) in pairs.items():
        if own != other:
            message = f'"{key}" is {own or "not said"}, and of history "{history.name}" {other or "not said"}'
            yield HistoryDifference(message=message, key=key)


def _columns(stream: Source, history: Source) -> Iterator[HistoryDifference]:
    """Give the columns of the stream's rows that those of the history lack, or have of another type."""
    there = row_columns(history)
    for name, dtype in (row_columns(stream) or {}).items():
        found = None if there is None else there.get(name)
        key = "select" if any(item.name == name for item in stream.select) else "columns"
        if there is not None and found is None:
            message = f'history "{history.name}" has no column "{name}"'
            message += ", which `select` of the stream makes: it needs the same `select`" if key == "select" else ""
            yield HistoryDifference(message=message, key=key, name=name)
        elif found is not None and UNKNOWN not in (found, dtype) and found != dtype:
            message = f'"{name}" is {dtype}, and of history "{history.name}" {found}'
            yield HistoryDifference(message=message, key=key, name=name)


def _select(stream: Source, history: Source) -> Iterator[HistoryDifference]:
    """Give the columns that both make, of the same columns, in different ways; of others they may: names differ."""
    made = {item.name: item.expression.text for item in history.select}
    for item in stream.select:
        text = made.get(item.name)
        if text is None or untyped_canonical(text) == untyped_canonical(item.expression.text):
            continue
        if expression_columns(text) <= (stream.columns or {}).keys():
            message = f'"{item.name}" is made otherwise by history "{history.name}"'
            yield HistoryDifference(message=message, key="select", name=item.name)
