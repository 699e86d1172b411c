"""The columns of events as a model asks for them: its keys and request columns, in their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from featurectl.core.errors import DataError
from featurectl.core.units import from_us
from featurectl.expressions.check import expression_columns
from featurectl.expressions.row import to_closure
from featurectl.language.definitions.on_events import OnEvents
from featurectl.language.definitions.stream import STAMP
from featurectl.online.client.model_inputs import InputReader
from featurectl.online.read import from_number
from featurectl.streaming.event_decoder import EventDecoder, EventRow
from featurectl.streaming.view_records import StampedEvent


def is_wanted(on_events: OnEvents, decoder: EventDecoder) -> Callable[[EventRow], bool]:
    """Return what says whether an event is one of those that are to be predicted.

    A column that events do not have, as they are read by what was applied before, is null.
    """
    if on_events.where is None:
        return lambda _: True
    tree, places = on_events.where.tree, decoder.places
    assert tree is not None, "an untyped expression"
    lacking = expression_columns(on_events.where.text) - set(places)
    if not lacking:
        holds = to_closure(tree, places)
        return lambda row: holds(row) is True
    holds = to_closure(tree, {**places, **dict.fromkeys(lacking, -1)})
    return lambda row: holds((*row, None)) is True


def given_columns(
    reader: InputReader, events: Sequence[StampedEvent], decoder: EventDecoder
) -> dict[str, list[object]]:
    """Return the columns that a model asks of its rows.

    Raises:
        DataError: FC506, events have no such column: the source is another by now than when the model was trained.
    """
    found: dict[str, list[object]] = {}
    for name in reader.columns:
        if name == STAMP and name not in decoder.places:
            found[name] = [from_us(event.available_us) for event in events]
            continue
        if name not in decoder.places:
            message = f"events have no column {name!r}, which the model asks for"
            raise DataError(message, code="FC506", hint="columns of events: " + ", ".join(decoder.places))
        place, dtype = decoder.places[name], decoder.columns[name]
        found[name] = [from_number(event.row[place], dtype) for event in events]
    return found


def row_of(columns: Mapping[str, Sequence[object]], place: int) -> dict[str, object]:
    """Return a row of some columns."""
    return {name: values[place] for name, values in columns.items()}
