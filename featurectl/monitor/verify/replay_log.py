"""Replay of the prediction log: what was served against what the offline tables give at the same instants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from featurectl.core.errors import DataError, UsageError
from featurectl.core.progress import Progress, Silent
from featurectl.core.units import counted, moved_by
from featurectl.engines.all_engines import open_engine
from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.model import DerivedInput, Model, RequestInput
from featurectl.monitor.verify.alternatives import TablePast
from featurectl.monitor.verify.causes import explain
from featurectl.monitor.verify.equal import TOLERANCE
from featurectl.monitor.verify.erased_keys import without_erased
from featurectl.monitor.verify.log_questions import Group, group_inputs, log_columns, served_rows
from featurectl.monitor.verify.log_rows import ERROR, LOGGED, LogSelection, read_log
from featurectl.monitor.verify.report import Cause, FeatureSkew, VerifyReport
from featurectl.monitor.verify.served_rows import ServedRows, computed
from featurectl.monitor.verify.surroundings import in_order, read_record, surroundings
from featurectl.monitor.verify.tally import SkewTally, show_difference, tallies
from featurectl.online.base import PushRecord
from featurectl.operations.prediction_log.log_files import LogFile, PredictionLogFiles, open_log, written_at
from featurectl.operations.views import BoundView, bind_view
from featurectl.registry.applied import not_applied, registered_view
from featurectl.registry.state import ModelVersion, State
from featurectl.workspace.workspace import Workspace

_DAY: Final = len("2026-01-08")
_BEFORE: Final = timedelta(days=1)  # an instant of no day before the one before the log's first may mean its clock
_STALE: Cause = "stale push"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """How a comparison is made: the relative tolerance of sums and means, the engine's memory, who sees progress."""

    tolerance: float = TOLERANCE
    memory_bytes: int | None = None
    progress: Progress = field(default_factory=Silent)


def verify_log(
    workspace: Workspace, model: str, chosen: LogSelection, how: ReplayOptions | None = None
) -> VerifyReport:
    """Return what was served of a model, the chosen rows of its log, against the offline tables.

    Every version of the model that has a log is replayed.

    Raises:
        UsageError: there is no such model.
        StoreError: the log, a table or the registry can't be read.
    """
    how, state = how or ReplayOptions(), workspace.state()
    if state.current("model", model) is None:
        raise not_applied(state, "model", model)
    opened = open_log(workspace, model)
    replays, notes = [], list[str]()
    for number in opened.versions():
        version = state.model_version(model, number)
        if version is None:
            notes.append(f"{model}@{number} has a log and is registered no more: not replayed")
            continue
        if version.status == "retired":
            notes.append(f"{model}@{number} is retired: not replayed")
            continue
        how.progress.start(f"replay {model}@{number}")
        replays.append(_replayed(_Replay(workspace, state, version, how), opened, chosen, workspace.clock))
        how.progress.done(f"replayed {model}@{number}: {counted(replays[-1].rows, 'row')}")
    return _report(replays, notes)


def _replayed(replay: _Replay, log: PredictionLogFiles, chosen: LogSelection, clock: datetime | None) -> _Replay:
    """Return a replay that has the chosen rows of its version's log."""
    version, since = replay.version.version, chosen.since
    ahead = clock is None or (since is not None and since > clock)
    for rows in read_log(log.files([version], None if ahead else since), replay.columns, chosen):
        replay.add(rows)
        replay.how.progress.advance(replay.rows, None, "rows")
    if not replay.rows and since is not None:
        for rows in read_log(_since(log, version, since), replay.columns, replace(chosen, clock=LOGGED)):
            replay.add(rows)
    return replay


def _report(replays: Sequence[_Replay], notes: Sequence[str]) -> VerifyReport:
    left_out = sum((replay.left_out for replay in replays), Counter[str]())
    return VerifyReport(
        rows=sum(replay.rows for replay in replays),
        replayed=sum(replay.replayed for replay in replays),
        features=[skew for replay in replays for skew in replay.skews()],
        left_out=dict(left_out.most_common()),
        notes=[*notes, *dict.fromkeys(note for replay in replays if replay.rows for note in replay.notes)],
    )


def _since(log: PredictionLogFiles, version: int, since: datetime) -> list[LogFile]:
    """Return the files of requests since an instant; none when the log began days later: the clock is not meant.

    A server that runs at an instant has features of another time than that of its requests, and either may be meant.
    """
    every = log.files([version])
    return (
        log.files([version], since) if every and every[0].written[:_DAY] <= written_at(moved_by(since, _BEFORE)) else []
    )


@dataclass(slots=True, kw_only=True)
class _Part:
    """A group of inputs with the table that answers it, what is known around it, and what was found."""

    group: Group
    bound: BoundView
    known: TablePast
    record: PushRecord | None
    tallies: dict[str, SkewTally]


class _Replay:
    """Replays the log of one model version, a batch at a time."""

    def __init__(self, workspace: Workspace, state: State, version: ModelVersion, how: ReplayOptions) -> None:
        self.version, self.how = version, how
        self._engine = open_engine(workspace.environment, how.memory_bytes)
        self.rows = self.replayed = 0
        self.left_out = Counter[str]()
        self._erasures = state.erasures
        model = load_model(version.definition)
        self.notes = _not_compared(model)
        groups = group_inputs(model.inputs, version.view_versions)
        self.columns = log_columns(groups)
        self._parts: list[_Part] = []
        self._gone: list[tuple[Group, str]] = []
        self._gone_labels = set[str]()
        for group in groups:
            try:
                self._parts.append(_part(workspace, state, group))
            except (DataError, UsageError) as error:
                self._gone.append((group, error.message))

    def add(self, log: pl.DataFrame) -> None:
        """Compare a batch of the log."""
        self.rows += log.height
        failed = log[ERROR].is_not_null()
        if count := int(failed.sum()):
            self.left_out["the request failed"] += count
            log = log.filter(~failed)
        reached = pl.repeat(value=False, n=log.height, eager=True)
        for group, why in self._gone:
            self.left_out[f"{group.label}: {why}"] += log.height
        for part in self._parts:
            lacking = [name for name in part.group.names if f"feature.{name}" not in log.columns]
            if lacking:
                self.left_out[f"{part.group.label}: the log has no column feature.{lacking[0]}"] += log.height
                continue
            served, reasons = served_rows(part.group, part.bound, log, part.known)
            for why, count in reasons.drop_nulls().value_counts().iter_rows():
                self.left_out[f"{part.group.label}: {why}"] += count
            reached |= reasons.is_null()
            served, erased = without_erased(served, self._erasures)
            self.left_out.update({f"{part.group.label}: the key is erased": erased} if erased else {})
            if served.height:
                self._compare(part, served)
        self.replayed += int(reached.sum())

    def skews(self) -> list[FeatureSkew]:
        """Return what was found of each input, in the model's order."""
        found = {name: tally for part in self._parts for name, tally in part.tallies.items()}
        named = [found[item.name] for item in self.version.inputs if item.name in found]
        return [tally.skew(self.version.model, self.version.version) for tally in named]

    def _compare(self, part: _Part, served: ServedRows) -> None:
        engine, tolerance = self._engine, self.how.tolerance
        offline = computed(engine, served)
        wrong = served.wrong(offline, tolerance)
        pushes = in_order([*part.known.pushes, *served.pushed.unique()])
        overdue = _overdue(served, part.record)
        differs = wrong.select(pl.any_horizontal(pl.all())).to_series()
        if differs.any():
            places = differs.arg_true()
            some, known = served.some(places), replace(part.known, pushes=pushes)
            explained = explain(engine, some, wrong[places], known, tolerance)
            self._note_gone(part, explained.gone)
            for name, tally in part.tallies.items():
                tally.count(explained.causes[name])
                tally.details = explained.details | tally.details
                if not tally.example and wrong[name].any():
                    tally.example = show_difference(served, offline, name, int(wrong[name].arg_true()[0]))
        for name, tally in part.tallies.items():
            tally.compared += served.height
            if late := int((overdue & ~wrong[name]).sum()):
                tally.causes[_STALE] += late
                tally.details.setdefault(_STALE, "read later than `refresh` allows, though a later push was there")

    def _note_gone(self, part: _Part, versions: Sequence[int]) -> None:
        """Tell that what was served can't be compared with the table that it came from."""
        if versions and part.group.label not in self._gone_labels:
            self._gone_labels.add(part.group.label)
            gone = f"version {versions[0]} of the table of {part.group.label}, of which rows were served, is gone"
            self.notes.append(f"{gone}: rows that came late since can't be distinguished from other causes there")


def _part(workspace: Workspace, state: State, group: Group) -> _Part:
    bound = bind_view(workspace.offline(), registered_view(state, group.view, group.version))
    bound.pruned(set(group.names.values()))  # it has all that they need
    record = read_record(workspace, bound)
    known = surroundings(workspace, state, bound, record)
    names = {name: name for name in group.names}
    return _Part(group=group, bound=bound, known=known, record=record, tallies=tallies(names, group.label))


def _overdue(served: ServedRows, record: PushRecord | None) -> pl.Series:
    """Return which rows of an event view were read from an older push than they were to be.

    More than `refresh` had gone since, and a later push was there by then: of the store's record, or of other rows.
    """
    view = served.bound.view
    if view.kind != "event" or view.refresh_us is None:
        return pl.repeat(value=False, n=served.height, eager=True)
    later = in_order([*served.pushed.unique(), None if record is None else record.computed_at])
    instants = pl.Series("push", later, dtype=served.pushed.dtype)
    newest = pl.Series(instants.search_sorted(served.read_at, side="right"), dtype=pl.Int64) - 1
    there = pl.DataFrame([instants.gather(newest.clip(0)).alias("push"), newest.alias("place")])
    age_us = served.read_at.to_physical() - served.pushed.to_physical()
    return (there["place"] >= 0) & (there["push"] > served.pushed) & (age_us > view.refresh_us)


def _not_compared(model: Model) -> list[str]:
    """Return what of a model's inputs no table knows."""
    notes = []
    for kind, what in ((RequestInput, "request columns"), (DerivedInput, "inputs derived in the model")):
        if names := [item.name for item in model.inputs if isinstance(item, kind)]:
            notes.append(f"{what} have no offline table, so they are not compared: {', '.join(names)}")
    return notes
