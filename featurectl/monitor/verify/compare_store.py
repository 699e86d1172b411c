"""The online store against the offline tables: every row, or a sample of the entities, in both directions."""

from __future__ import annotations

import hashlib
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from typing import Final

import polars as pl

from featurectl.core.erasures import Erasures
from featurectl.core.errors import TryAgainError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import counted, plural
from featurectl.engines.all_engines import open_engine
from featurectl.engines.base import Engine
from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.view import FeatureView
from featurectl.monitor.verify.alternatives import TablePast
from featurectl.monitor.verify.causes import explain
from featurectl.monitor.verify.erased_keys import erased_packed_keys
from featurectl.monitor.verify.pushed_table import are_others, compare_as_pushed
from featurectl.monitor.verify.replay_log import ReplayOptions
from featurectl.monitor.verify.report import Cause, ViewSkew
from featurectl.monitor.verify.served_rows import ServedRows
from featurectl.monitor.verify.stored_rows import MISSING, UNREADABLE, RowDecoder, StoredRows, pushed_features
from featurectl.monitor.verify.surroundings import surroundings
from featurectl.monitor.verify.tally import show_difference, tallies
from featurectl.online.base import OnlineStore, OnlineView, PushRecord
from featurectl.online.encode.rows import encode_keys
from featurectl.online.future_pushes import how_far_ahead
from featurectl.online.row_places import online_view
from featurectl.operations.push.choose_entities import PART_ROWS, cut_between_keys
from featurectl.operations.push.values import COMPUTED_AT, values_at
from featurectl.operations.views import BoundView, bind_view
from featurectl.registry.state import ObjectVersion, State
from featurectl.workspace.clocks import latest_push
from featurectl.workspace.workspace import Workspace

_CORRUPTED: Final[Cause] = "corrupted value"
_MISSING: Final[Cause] = "missing row"
_UNEXPECTED: Final[Cause] = "unexpected row"
_FUTURE: Final[Cause] = "row of the future"
_EXPIRED: Final[Cause] = "expiry"
_HASHES: Final = 1 << 32
_HAS_ROW: Final = "\x00row"


def verify_store(
    workspace: Workspace, state: State, item: ObjectVersion, sample: int | None = None, how: ReplayOptions | None = None
) -> ViewSkew:
    """Return what the online store has of a view version against its table as the last push had it, at that instant.

    `sample` is about how many entities are looked at, drawn by their keys; None: all. An entity that an event view has
    no row of counts as one without events. Rows that came into the table after the push are noted, and no difference.

    Raises:
        DataError: the view has no table that can be asked. StoreError: a store can't be read.
        TryAgainError: the rows were replaced meanwhile; those that a later push has sent are left out.
    """
    how = how or ReplayOptions()
    bound = bind_view(workspace.offline(), item)
    store = workspace.online()
    where = online_view(bound.view, bound.version, workspace.project, workspace.environment.name)
    record = store.read_push_record(where)
    if record is None:
        return ViewSkew(view=item.name, version=item.version, entities=0, of=0, note="never pushed", pushed=False)
    bound = bind_view(workspace.offline(), item, bound.stored)  # a push between both knew more than that table
    how.progress.start(f"compare {bound.label}")
    latest, count = latest_push(workspace), store.count(where)

    def compare(bound: BoundView) -> ViewSkew:
        known = cache(partial(surroundings, workspace, state, bound, record))
        task = _task(workspace, bound, known, record, how)
        return _Comparison(task).compare(_drawn(sample, count), count)

    skew = compare_as_pushed(bound, item, record, pushed_features(store, where, record), compare)
    if are_others(record, store.read_push_record(where)):
        raise TryAgainError(f"{bound.label} was pushed while it was compared; run it again")
    how.progress.done(f"compared {bound.label}: {counted(skew.entities, 'entity', 'entities')}")
    far = how_far_ahead(record.computed_at, latest())
    future = f"pushed as of {far}: featurectl push --full {item.name}" if far else ""
    return replace(skew, note="; ".join(part for part in (future, skew.note) if part), future=future)


def _task(
    workspace: Workspace, bound: BoundView, known: Callable[[], TablePast], record: PushRecord, how: ReplayOptions
) -> _Task:
    clock = workspace.clock
    return _Task(
        bound=replace(bound, view=replace(bound.view, ttl_us=None, derived=())),
        store=workspace.online(),
        where=online_view(bound.view, bound.version, workspace.project, workspace.environment.name),
        record=record,
        known=known,
        how=how,
        engine=open_engine(workspace.environment, how.memory_bytes),
        latest=latest_push(workspace)(),
        ran_out=record.kept_until is not None and clock is not None and record.kept_until <= clock,
        erasures=workspace.erasures(),
    )


def _drawn(sample: int | None, count: int) -> Callable[[bytes], bool]:
    """Return which packed keys are looked at."""
    if sample is None or sample >= count:
        return lambda _: True
    below = sample * _HASHES // count
    return lambda key: zlib.crc32(key) < below


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A view version to compare: its table without a ttl, its place in the store, the last push.

    `known` gives what is around it, which is asked of the log only where a row differs.
    Nothing can rightly have been pushed as of later than `latest`. `ran_out`: by the real clock the store may have let
    rows go.
    """

    bound: BoundView
    store: OnlineStore
    where: OnlineView
    record: PushRecord
    known: Callable[[], TablePast]
    how: ReplayOptions
    engine: Engine
    latest: datetime
    ran_out: bool
    erasures: Erasures


class _Comparison:
    """One view version's comparison as it goes on."""

    def __init__(self, task: _Task) -> None:
        self._task, self._bound = task, task.bound
        self._rows = RowDecoder(task.store, task.where)
        self._tallies = tallies({f.name: f.current_name for f in task.bound.view.features}, task.bound.label)
        self._missing, self._unexpected = Counter[str](), Counter[str]()
        self._seen, self._later = 0, 0
        self._expected: array[int] = array("Q")  # digests of the keys that have a row
        self._erased = erased_packed_keys(task.erasures, task.bound.view)
        self._example = ""

    def compare(self, wanted: Callable[[bytes], bool], count: int) -> ViewSkew:
        """Return what is found, table against store and store against table."""
        for rows, entities, packed in self._parts(wanted):
            self._compare_part(rows, entities, packed)
            self._task.how.progress.advance(self._seen, None, "entities")
        self._find_unexpected(wanted)
        return ViewSkew(
            view=self._bound.view.name,
            version=self._bound.version,
            entities=self._seen,
            of=count,
            features=[tally.skew() for tally in self._tallies.values()],
            missing=dict(self._missing.most_common()),
            unexpected=dict(+self._unexpected),
            note=_later_note(self._later) if self._later else "",
            example=self._example,
        )

    def _parts(self, wanted: Callable[[bytes], bool]) -> Iterator[tuple[pl.DataFrame, pl.DataFrame, list[bytes]]]:
        """Yield all rows of some entities, the entities that are looked at, and their packed keys."""
        keys, bound = list(self._bound.view.keys), self._bound
        for bucket in range(bound.stored.buckets(bound.table_version)):
            for rows in cut_between_keys(bound.table.read(bucket=bucket, version=bound.table_version), keys, PART_ROWS):
                entities = rows.select(keys).unique(maintain_order=True) if keys else pl.DataFrame()
                packed = encode_keys(self._task.where, entities) if keys else [b""][: rows.height]
                chosen = [wanted(key) for key in packed]
                if any(chosen):
                    yield (
                        rows,
                        entities.filter(pl.Series(chosen)) if keys else entities,
                        [k for k, c in zip(packed, chosen, strict=True) if c],
                    )

    def _compare_part(self, rows: pl.DataFrame, entities: pl.DataFrame, packed: Sequence[bytes]) -> None:
        """Compare the rows of some entities, those that have one at the instant of the push."""
        view, at = self._bound.view, self._task.record.computed_at
        values = values_at(self._task.engine, view, rows, entities, at)
        truth = values.with_columns(pl.lit(value=True).alias(_HAS_ROW)).drop(COMPUTED_AT)
        if entities.width:
            truth = entities.join(truth, on=list(view.keys), how="left", maintain_order="left")
        there = truth[_HAS_ROW].fill_null(value=False) if truth.height else pl.Series([False] * len(packed))
        keys = [key for key, has in zip(packed, there, strict=True) if has]
        self._expected.extend(map(_digest, keys))
        if not keys:
            return
        truth = truth.filter(there)
        found = self._rows.fetch(keys)
        later = (found.newest > at).fill_null(value=False)
        future = int((later & (found.newest > self._task.latest)).sum())
        self._unexpected[_FUTURE] += future
        self._later += int(later.sum()) - future
        self._judge(truth.filter(~later), _some(found, ~later), view)

    def _judge(self, truth: pl.DataFrame, found: StoredRows, view: FeatureView) -> None:
        self._seen += truth.height
        served = _served(self._task, truth, found)
        wrong = served.wrong(truth, self._task.how.tolerance)
        unreadable = found.state == UNREADABLE
        for name, tally in self._tallies.items():
            tally.compared += truth.height
            if unreadable.any():
                tally.causes[_CORRUPTED] += int(unreadable.sum())
            if wrong[name].any() and not tally.example:
                tally.example = show_difference(served, truth, name, int(wrong[name].arg_true()[0]))
        differs = wrong.select(pl.any_horizontal(pl.all())).to_series()
        if view.kind != "event":
            differs |= found.state == MISSING
        differs &= ~unreadable
        if differs.any():
            self._explain(served.some(differs), wrong.filter(differs), found.state.filter(differs))

    def _explain(self, served: ServedRows, wrong: pl.DataFrame, state: pl.Series) -> None:
        """Name the causes of rows that differ; one that is missing counts as a row, not as values."""
        how, missing = self._task.how, state == MISSING
        marked = wrong.with_columns(
            pl.when(missing).then(pl.lit(value=True)).otherwise(pl.col(n)).alias(n) for n in wrong.columns
        )
        explained = explain(self._task.engine, served, marked, self._task.known(), how.tolerance)
        for name, tally in self._tallies.items():
            tally.count(explained.causes[name].filter(~missing))
            tally.details = explained.details | tally.details
        if not missing.any() or not wrong.width:
            return
        first = (
            explained.causes[wrong.columns[0]]
            .filter(missing)
            .replace(_CORRUPTED, _EXPIRED if self._task.ran_out else _MISSING)
        )
        self._missing.update(first.to_list())
        if not self._example:
            place = int(missing.arg_true()[0])
            self._example = f"no row of {_entity({name: served.keys[name][place] for name in served.keys.columns})}"

    def _find_unexpected(self, wanted: Callable[[bytes], bool]) -> None:
        """Count rows of entities that the table has no row of; a scan may give one twice."""
        known, met, looked = pl.Series("known", self._expected, dtype=pl.UInt64).sort(), set[bytes](), 0
        self._task.how.progress.start(f"look for rows online that {self._bound.label} has not")
        for page in self._task.store.walk(self._task.where, wanted):
            digests = pl.Series("digest", [_digest(key) for key, _ in page], dtype=pl.UInt64)
            places = pl.Series("place", known.search_sorted(digests), dtype=pl.Int64)
            there = known.gather(places.clip(0, max(len(known) - 1, 0))) if len(known) else digests.clear(len(digests))
            for (key, row), found in zip(page, there == digests, strict=True):
                if not found and key not in met:
                    met.add(key)
                    self._count_unexpected(key, row)
            looked += len(page)
            self._task.how.progress.advance(looked, None, "rows")

    def _count_unexpected(self, key: bytes, row: bytes) -> None:
        if self._erased(key) is not None:  # clients do not answer it, and it goes with the next push
            return
        if self._rows.is_later(row, self._task.record.computed_at):
            future = self._rows.is_later(row, self._task.latest)
            self._unexpected[_FUTURE] += future
            self._later += not future
            return
        self._unexpected[_UNEXPECTED] += 1
        self._example = self._example or f"an unexpected row under {key.decode(errors='backslashreplace')}"


def _served(task: _Task, truth: pl.DataFrame, found: StoredRows) -> ServedRows:
    """Return what the store has of some entities; one that an event view has no row of counts as one without events."""
    view, pushed = task.bound.view, task.record.computed_at
    at = pl.repeat(pushed, truth.height, dtype=INSTANT, eager=True)
    return ServedRows(
        bound=task.bound,
        names={feature.name: feature.name for feature in view.features},
        defaults={},
        keys=truth.select(view.keys),
        at=at,
        read_at=at,
        pushed=found.computed_at.fill_null(pushed),
        expired=pl.repeat(value=False, n=truth.height, eager=True),
        values=found.values if view.kind != "event" else _with_empty(found, view),
        stored=True,
    )


def _with_empty(found: StoredRows, view: FeatureView) -> pl.DataFrame:
    columns = []
    for feature in view.features:
        empty, values = AGGREGATES[feature.op].empty, found.values[feature.name]
        plain = pl.Series([list(empty) if isinstance(empty, tuple) else empty], dtype=values.dtype)
        columns.append(pl.concat([values, plain]))
    last, rows = found.values.height, pl.int_range(found.values.height)
    places = pl.select(pl.when(found.state == MISSING).then(last).otherwise(rows)).to_series()
    return pl.DataFrame(columns)[places]


def _some(found: StoredRows, chosen: pl.Series) -> StoredRows:
    return StoredRows(
        state=found.state.filter(chosen),
        values=found.values.filter(chosen),
        computed_at=found.computed_at.filter(chosen),
        newest=found.newest.filter(chosen),
    )


def _digest(key: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def _later_note(count: int) -> str:
    return f"{counted(count, 'row')} {plural(count, 'is', 'are')} newer than the last push: not compared"


def _entity(keys: dict[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in keys.items()) or "the view"
