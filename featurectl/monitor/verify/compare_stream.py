"""What is online of a view of a stream against its log, at the instant up to which the log has all events.

The truth is a table made of the history and the log for this alone, of which the offline engine answers a sample of
entities as a training set would. Lists are asked about the same instant: those that were compacted since can't say any
more what was then, and are left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.frames.types import polars_dtype
from featurectl.core.temporary_folders import temporary_folder
from featurectl.core.units import counted, instant_us
from featurectl.engines.all_engines import open_engine
from featurectl.engines.base import Engine, ViewBuckets
from featurectl.language.definitions.json_form import load_view
from featurectl.language.definitions.view import FeatureView
from featurectl.monitor.verify.equal import compare, loose_features
from featurectl.monitor.verify.erased_keys import erased_packed_keys
from featurectl.monitor.verify.replay_log import ReplayOptions
from featurectl.monitor.verify.report import Cause, ViewSkew
from featurectl.monitor.verify.tally import SkewTally, shown_value, tallies
from featurectl.offline.base import OfflineTable
from featurectl.offline.delta import DeltaStore
from featurectl.online.base import OnlineView
from featurectl.online.encode.rows import encode_keys
from featurectl.online.read import Answer
from featurectl.online.row_places import online_view
from featurectl.online.stream_state.base import Generation, StreamSource
from featurectl.online.stream_state.entity_reader import StreamEntityReader
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.streams import materialize_stream
from featurectl.pit.hashing import bucket_of
from featurectl.registry.state import ObjectVersion
from featurectl.workspace.workspace import Workspace

_CORRUPTED: Final[Cause] = "corrupted value"
_UNEXPECTED: Final[Cause] = "unexpected row"
_PORTION: Final = 1_000  # entities that are read at once
_ROWS_AT_ONCE: Final = 1_000_000
_HASHES: Final = 1 << 32
_AT: Final = "\x00at"


def verify_stream(
    workspace: Workspace, item: ObjectVersion, sample: int | None = None, how: ReplayOptions | None = None
) -> ViewSkew:
    """Return what is online of a view version of a stream against the log, as of the log's `asof`.

    `sample` is about how many entities are looked at, drawn by their keys; None: all.

    Raises:
        DataError: FC550, the view is not online; the history or the log can't be read.
        StoreError: a store can't be read, or a list is none.
    """
    how, view = how or ReplayOptions(), _plain(load_view(item.definition))
    where = online_view(view, item.version, workspace.project, workspace.environment.name)
    nothing = ViewSkew(view=item.name, version=item.version, entities=0, of=0, pushed=False)
    log = workspace.event_log(view.source).open()
    if log.state.asof_us is None:
        return replace(nothing, note="no worker has logged anything yet")
    engine = open_engine(workspace.environment, how.memory_bytes)
    with temporary_folder("replay") as folder:
        table = DeltaStore(str(folder), workspace.project).table(view.name, item.version, view.key_types)
        how.progress.start(f"read the log of {view.name}@{item.version}")
        reader = workspace.source(view.source)
        run = MaterializeRun(
            view=view,
            version=item.version,
            reader=reader,
            table=table,
            spill=folder / "spill",
            erasures=workspace.erasures(),
        )
        materialize_stream(engine, run, workspace.now)
        coverage = table.coverage()
        if coverage is None or coverage.watermark is None:
            return replace(nothing, note="neither the history nor the log has an event")
        task = _Task(view=view, where=where, table=table, engine=engine, at=coverage.watermark, how=how)
        gaps = [(after, until) for after, until in log.state.gaps if after < instant_us(task.at) <= until]
        skew = _Comparison(workspace, task).compare(sample)
    how.progress.done(f"compared {view.name}@{item.version}: {counted(skew.entities, 'entity', 'entities')}")
    return replace(skew, note=_note(skew.note, len(log.state.gaps), is_inside=bool(gaps)))


def _plain(view: FeatureView) -> FeatureView:
    """Return a view with what it stores alone: no defaults, nothing derived, no checks."""
    features = tuple(replace(feature, default=None) for feature in view.features)
    return replace(view, features=features, derived=(), checks=(), source=replace(view.source, checks=()))


def _note(of_rows: str, gaps: int, *, is_inside: bool) -> str:
    found = [of_rows] if of_rows else []
    if is_inside:
        found.append("the instant lies in a gap that the log declares: differences may come of lost stamps")
    elif gaps:
        found.append(f"the log declares {counted(gaps, 'gap')}, before this instant")
    return "; ".join(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A view to compare at an instant, and the table that is the truth."""

    view: FeatureView
    where: OnlineView
    table: OfflineTable
    engine: Engine
    at: datetime
    how: ReplayOptions


class _Comparison:
    """One view version's comparison as it goes on."""

    def __init__(self, workspace: Workspace, task: _Task) -> None:
        self._workspace, self._task = workspace, task
        self._reader = StreamEntityReader(task.view, task.where, workspace.stream_reader())
        label = f"{task.where.view}@{task.where.version}"
        self._tallies = tallies({f.name: f.current_name for f in task.view.features}, label)
        self._seen = self._left_out = self._unexpected = 0
        self._known: set[bytes] = set()
        self._erased = erased_packed_keys(workspace.erasures(), task.view)
        self._example = ""

    def compare(self, sample: int | None) -> ViewSkew:
        """Return what is found, log against lists and lists against log."""
        keys = [*self._task.view.keys]
        entities = self._entities() if keys else pl.DataFrame()
        count = entities.height if keys else 1
        packed = encode_keys(self._task.where, entities) if keys else [b""]
        self._known = {*packed}
        wanted = _drawn(sample, count)
        chosen = [place for place, key in enumerate(packed) if wanted(key)]
        for rows, mine in self._by_bucket(entities, chosen):
            for start in range(0, len(mine), _PORTION):
                places = mine[start : start + _PORTION]
                self._compare_some(rows, entities[places] if keys else entities, [packed[i] for i in places])
                self._task.how.progress.advance(self._seen, len(chosen), "entities")
        self._find_unexpected(wanted)
        found = counted(self._left_out, "entity", "entities")
        return ViewSkew(
            view=self._task.where.view,
            version=self._task.where.version,
            entities=self._seen,
            of=count,
            features=[tally.skew() for tally in self._tallies.values()],
            unexpected={_UNEXPECTED: self._unexpected} if self._unexpected else {},
            note=f"{found} with lists that say only what was later: not compared" if self._left_out else "",
            example=self._example,
        )

    def _entities(self) -> pl.DataFrame:
        """Return the entities of the table, each once: of its columns the keys alone are read, some rows at a time."""
        keys, version = [*self._task.view.keys], self._task.table.version()
        assert version is not None
        found: pl.DataFrame | None = None
        for block in self._task.table.blocks(version, _ROWS_AT_ONCE, keys):
            more = block.select(keys).unique(maintain_order=True)
            found = more if found is None else pl.concat([found, more]).unique(maintain_order=True)
        return self._task.table.read(columns=keys).select(keys) if found is None else found

    def _by_bucket(self, entities: pl.DataFrame, chosen: Sequence[int]) -> Iterator[tuple[pl.DataFrame, list[int]]]:
        """Give the rows of the chosen entities of one bucket of the table after the other, and their places."""
        keys, table = [*self._task.view.keys], self._task.table
        if not keys:
            yield table.read(), [*chosen]
            return
        number = bucket_of(entities.select(keys), buckets := table.buckets())
        for bucket in range(buckets):
            mine = [place for place in chosen if number[place] == bucket]
            if mine:
                wanted = entities[mine]
                yield pl.concat([part.join(wanted, on=keys, how="semi") for part in table.parts(bucket)]), mine

    def _compare_some(self, rows: pl.DataFrame, entities: pl.DataFrame, packed: Sequence[bytes]) -> None:
        view, at = self._task.view, self._task.at
        answers = self._reader.read_packed(packed, at)
        there = [answer.computed_at == at for answer in answers]
        self._left_out += there.count(False)
        instants = pl.Series(_AT, [at] * len(packed), dtype=INSTANT)
        spine = entities.with_columns(instants) if view.keys else pl.DataFrame([instants])
        of_some = rows.join(entities, on=list(view.keys), how="semi") if view.keys else rows
        truth = self._task.engine.answer(ViewBuckets(view=view, buckets=1, read=lambda _: of_some), spine, _AT)
        known = pl.Series(there, dtype=pl.Boolean)
        served = _frame(view, answers).filter(known)
        self._judge(spine.filter(known), served, truth.select(served.columns).filter(known))

    def _judge(self, spine: pl.DataFrame, served: pl.DataFrame, truth: pl.DataFrame) -> None:
        self._seen += spine.height
        truth = truth.with_columns(
            pl.col(name).fill_null(pl.lit([], dtype=dtype)) for name, dtype in truth.schema.items() if dtype == pl.List
        )
        served = served.with_columns(
            pl.col(name).fill_null(pl.lit([], dtype=dtype)) for name, dtype in served.schema.items() if dtype == pl.List
        )
        wrong = compare(served, truth, loose_features(self._task.view), self._task.how.tolerance)
        for name, tally in self._tallies.items():
            self._count(tally, wrong[name], spine, (served[name], truth[name]))

    def _count(
        self, tally: SkewTally, wrong: pl.Series, spine: pl.DataFrame, values: tuple[pl.Series, pl.Series]
    ) -> None:
        tally.compared += len(wrong)
        if not wrong.any():
            return
        tally.causes[_CORRUPTED] += int(wrong.sum())
        row = int(wrong.arg_true()[0])
        if not tally.example:
            keys = " ".join(f"{key}={shown_value(spine[key][row])}" for key in self._task.view.keys)
            of = f"{keys} at {shown_value(self._task.at)}".strip()
            tally.example = f"{of}: online {shown_value(values[0][row])}, by the log {shown_value(values[1][row])}"

    def _find_unexpected(self, wanted: Callable[[bytes], bool]) -> None:
        """Count entities whose lists have events of which the log knows nothing."""
        for keys in self._unknown_lists(wanted):
            for key, answer in zip(keys, self._reader.read_packed(keys, self._task.at), strict=True):
                if self._erased(key) is not None:
                    continue
                if answer.computed_at == self._task.at and answer.event_time is not None:
                    self._unexpected += 1
                    shown = key.decode(errors="backslashreplace")
                    self._example = self._example or f"events online under {shown}, and none in the log"

    def _unknown_lists(self, wanted: Callable[[bytes], bool]) -> Iterator[list[bytes]]:
        """Give the entities that have lists, and no row in the table, some at a time."""
        where, state = self._task.where, self._workspace.stream_reader()
        view = f"{where.view}@{where.version}"
        source = StreamSource(project=where.project, env=where.env, source=self._task.view.source.name)
        live = state.read_poll(source).live.get(view)
        pages: Iterable[Sequence[bytes]] = ()
        if live is not None:
            pages = state.walk_lists(source, Generation(view=view, id=live))
        met: set[bytes] = set()
        for page in pages:
            unknown = [key for key in dict.fromkeys(page) if key not in self._known and key not in met and wanted(key)]
            met.update(unknown)
            if unknown:
                yield unknown


def _frame(view: FeatureView, answers: Sequence[Answer]) -> pl.DataFrame:
    """Return the values of answers as columns, in the types of the view."""
    columns = []
    for feature in view.features:
        values = [answer.values[feature.name].value for answer in answers]
        columns.append(pl.Series(feature.name, values, dtype=polars_dtype(feature.dtype or "string"), strict=False))
    return pl.DataFrame(columns)


def _drawn(sample: int | None, count: int) -> Callable[[bytes], bool]:
    """Return which packed keys are looked at."""
    if sample is None or sample >= count:
        return lambda _: True
    below = sample * _HASHES // count
    return lambda key: zlib.crc32(key) < below
