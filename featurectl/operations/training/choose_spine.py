"""Which spine is meant: the model's own, a registered source, or a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from featurectl.core.errors import UsageError
from featurectl.expressions.check import expression_columns
from featurectl.language.definitions.json_form import load_source
from featurectl.language.definitions.model import Model, Spine
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.stream import STAMP
from featurectl.language.typing.sources import row_columns
from featurectl.operations.training.long_spine import AnySpine, SpillPlace, Treatment, read_in_place
from featurectl.operations.training.spine import (
    DEFAULT_TIME,
    SPINE_FORMATS,
    SpineClocks,
    SpineRows,
    file_source,
    file_spine,
    is_there,
    read_columns,
    read_file_spine,
    read_source_spine,
    source_spine,
)
from featurectl.registry.state import State
from featurectl.sources.base import SourceReader
from featurectl.workspace.event_reader import selected_source


class NamedSpine(NamedTuple):
    """A spine by the name of a source or a file (None: the model's own), and by its time column (None: the usual).

    `known` is the column of when its answers are made, None: the model's, where it has one.
    """

    name: str | None
    time: str | None = None
    known: str | None = None

    def clocks(self, model: Model | None) -> SpineClocks:
        """Return the columns of the instants of rows that are none of a model's own source."""
        usual = (model.spine.time, DEFAULT_TIME) if model is not None else (DEFAULT_TIME,)
        return SpineClocks(
            times=usual if self.time is None else (self.time,),
            known=self.known or (model.spine.known_at if model is not None else None),
            is_asked=self.known is not None,
        )


def read_spine(
    open_source: Callable[[Source], SourceReader], state: State, model: Model | None, spine: NamedSpine
) -> SpineRows:
    """Return the rows of a spine, in memory; see `choose_spine`."""
    rows = choose_spine(open_source, state, model, spine, None)
    assert isinstance(rows, SpineRows)
    return rows


def choose_spine(
    open_source: Callable[[Source], SourceReader],
    state: State,
    model: Model | None,
    spine: NamedSpine,
    place: SpillPlace | None,
) -> AnySpine:
    """Return the rows of the spine that is named: a registered source, else a file; None is the model's own.

    The time column is the model's `spine.time`; a file without it, or without a model, has `event_time`; a source
    without a model has its own event time; one that `spine` names goes before all of these. With a `place` it lies in
    files where it outgrows the memory.

    Raises:
        UsageError: it is neither, or there is no model to take a spine from.
        NoTimeColumnError: it has no time column.
    """
    named = spine.name
    if named is None:
        if model is None:
            hint = "--spine FILE, --spine SOURCE, or --keys-from VIEW"
            raise UsageError("--features needs a spine", hint=hint)
        return _of_source(open_source, model.spine, place)
    registered = state.current("source", named)
    if registered is not None:
        source = load_source(registered.definition)
        if model is not None and source.name == model.spine.source.name and spine.time is None:
            own = model.spine if spine.known is None else replace(model.spine, known_at=spine.known)
            return _of_source(open_source, own, place)
        time = spine.time or (model.spine.time if model is not None else source.event_time or DEFAULT_TIME)
        known = spine.clocks(model).known_in([*(row_columns(source) or ()), *([] if source.static else [STAMP])])
        return _of_source(open_source, Spine(source=source, time=time, known_at=known), place)
    path = Path(named)
    if path.suffix.lower() not in SPINE_FORMATS and not is_there(path):
        sources = sorted({o.name for o in state.objects if o.kind == "source" and o.current})
        raise UsageError(f"{named}: neither a source nor a file", hint="sources: " + ", ".join(sources))
    file = file_source(path)
    return _of_file(open_source(file), path, spine.clocks(model), place)


def _of_file(reader: SourceReader, path: Path, clocks: SpineClocks, place: SpillPlace | None) -> AnySpine:
    if place is None:
        return read_file_spine(reader, path, clocks)
    treatment = Treatment(
        make=lambda rows, own: file_spine(rows, own, path, clocks), origin=f"file {path.name}", clocks=clocks
    )
    return read_in_place(reader, treatment, f"spine {path}", place)


def _of_source(open_source: Callable[[Source], SourceReader], spine: Spine, place: SpillPlace | None) -> AnySpine:
    reader = open_source(spine.source)
    if spine.source.is_stream:
        spine = replace(spine, source=selected_source(spine.source))
    source = spine.source
    if place is None or source.dedup_key:  # a repeat may stand anywhere
        return read_source_spine(reader, spine)
    origin = f"source {source.name}"
    needed = dict.fromkeys(sorted(read_columns(source)), origin)
    if spine.where is not None:
        made = {item.name for item in source.select}
        of_where = sorted(expression_columns(spine.where.text) - made - needed.keys())
        needed |= dict.fromkeys(of_where, f"where of spine {source.name}")
    treatment = Treatment(
        make=lambda rows, own: source_spine(rows, own, spine),
        origin=origin,
        clocks=SpineClocks(times=(spine.time,), known=spine.known_at),
        needed=needed,
    )
    return read_in_place(reader, treatment, origin, place)
