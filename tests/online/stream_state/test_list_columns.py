"""Columns of features that are made of what compiled loops found are those that are made row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest

from featurectl.core.dtypes import BOOL, FLOAT64, INT64, STRING
from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import OnlineView
from featurectl.online.client.feature_columns import FeatureColumn, KeyRows
from featurectl.online.client.feature_groups import FeatureGroup
from featurectl.online.client.read_view import ReadView
from featurectl.online.client.stream_inputs import StreamInputs
from featurectl.online.decode.columns import EntityRows
from featurectl.online.stream_state.base import EntityList, ListsAnswer
from featurectl.online.stream_state.compiled.loading import LOADED
from featurectl.online.stream_state.compiled.reader import CompiledReader, Loops
from featurectl.online.stream_state.layout import layout_document
from featurectl.online.stream_state.stream_columns import StreamColumns
from tests.online.stream_state.events import SECOND, Stream
from tests.online.stream_state.test_joined_lists import bits, list_of, streams_of
from tests.online.views import derive
from tests.seeds import seeds_from

SAMPLE, WHOLE = 60, 3_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULTS: Mapping[str, str | float | bool] = {FLOAT64: 0.5, INT64: 7, BOOL: True, STRING: "none"}
Columns = dict[str, FeatureColumn]


def changed_view(view: FeatureView, random: Random) -> FeatureView:
    """A view some of whose features have defaults, perhaps with one that is derived of another."""
    features = [
        replace(f, default=DEFAULTS.get(f.dtype or "") if random.random() < 0.3 else None) for f in view.features
    ]
    numbers = [f.name for f in features if f.dtype in (FLOAT64, INT64)]
    has_more = numbers and random.random() < 0.2
    more = [derive("more", f"{numbers[0]} + 1", {numbers[0]: FLOAT64}, FLOAT64)] if has_more else []
    return replace(view, features=tuple(features), derived=tuple(more))


def inputs_of(view: FeatureView) -> StreamInputs:
    """All features of a view, as a reader of features has them."""
    dtypes = {f.name: f.dtype or "" for f in view.features} | {d.name: d.dtype or "" for d in view.derived}
    online = OnlineView(
        project="p", env="dev", view=view.name, version=1, keys={"carrier": "string"}, features=dtypes,
        versioned_by="computed",
    )  # fmt: skip
    inputs = StreamInputs()
    picked = {f"of_{name}": name for name in dtypes}
    inputs.add(FeatureGroup(source=ReadView(view=view, online=online), join={"carrier": "carrier"}, picked=picked))
    return inputs


def columns_of(stream: Stream, keys: Sequence[str | None], found: Sequence[EntityList], asof_us: int) -> Columns:
    """What rows with some keys have, whose lists these are in the order in which the keys first come."""
    inputs, columns = inputs_of(stream.view), Columns()
    question = inputs.question({"carrier": keys}, len(keys))
    [source] = question.asks
    answers = {source: [ListsAnswer(asof=asof_us, lists=[*found], generation="a1")]}
    for unknown in inputs.unknown_layouts(answers):
        unknown.columns.learn("a1", layout_document(stream.layout))
    asked = KeyRows(keys={"carrier": keys}, count=len(keys), now=NOW, latest=NOW)
    for some in inputs.answers(question, answers, asked):
        columns |= some
    return columns


def plain(columns: Columns) -> dict[str, object]:
    """Columns with the bits and types of all that they hold."""
    return {name: [bits([*part]) for part in column[1:]] for name, column in columns.items()}


@contextmanager
def counted_columns(patch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count how often lists became columns at once, by how many these were."""
    rows, counts = StreamColumns.rows, list[int]()

    def counted(self: StreamColumns, *of: object) -> object:
        found = rows(self, *of)  # type: ignore[arg-type]
        if isinstance(found, EntityRows):
            counts.append(len(found.event_us))
        return found

    patch.setattr(StreamColumns, "rows", counted)
    yield counts


def compare(seed: int, loops: Loops) -> int:
    """See that columns are those without loops; return how many lists became columns at once."""
    streams, random = streams_of(seed), Random(seed)
    lists = [list_of(stream, random.choice([3, 20, 120]), extreme=seed % 4 == 1) for stream in streams]
    asof_us = streams[0].asof_us + random.choice([0, 5, 500]) * SECOND
    if random.random() < 0.8:  # those alone of which none is unusual
        read = CompiledReader(streams[0].view.features, streams[0].layout, loops).answers(lists, asof_us)
        lists = [one for one, said in zip(lists, read, strict=True) if said is not None and said.event_us is not None]
    streams[0].view = changed_view(streams[0].view, random)
    names: list[str | None] = [f"c{number}" for number in range(len(lists))]
    more = [random.choice([*names, None]) for _ in range(random.choice([0, 0, 0, 5]))]
    keys = [*names, *more]
    wanted = columns_of(streams[0], keys, lists, asof_us)
    with pytest.MonkeyPatch.context() as patch, counted_columns(patch) as counts:
        patch.setattr(LOADED, "loops", loops)
        patch.setattr("featurectl.online.stream_state.stream_columns._JOINED", random.choice([3, 100]))
        assert plain(columns_of(streams[0], keys, lists, asof_us)) == plain(wanted), seed
    return sum(counts)


@pytest.mark.sample(2)
@pytest.mark.parametrize("part", range(4))
def test_columns_at_once_are_those_row_by_row(part: int, loops: Loops):
    assert sum(compare(seed, loops) for seed in seeds_from(part * SAMPLE, (part + 1) * SAMPLE)) > 50


@pytest.mark.stress
def test_columns_at_once_are_those_row_by_row_in_many_views(loops: Loops):
    assert sum(compare(seed, loops) for seed in seeds_from(4 * SAMPLE, WHOLE)) > 3_000
