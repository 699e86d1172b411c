"""What a training set is asked for, and the definitions, tables and rows that this means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from featurectl.core.errors import DataError, UsageError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import format_iso
from featurectl.language.definitions.model import FeatureInput, Model, ModelInput, views_read
from featurectl.language.resolve.feature_names import FeatureChoice, feature_inputs, old_name_warnings
from featurectl.operations.training.as_served import check_refresh
from featurectl.operations.training.before_log import until_log
from featurectl.operations.training.choose_spine import NamedSpine, choose_spine
from featurectl.operations.training.erased_spine import joined_entities, without_erased
from featurectl.operations.training.known_keys import known_keys
from featurectl.operations.training.long_spine import AnySpine, SpillPlace, cut_long_spine
from featurectl.operations.training.spine import DEFAULT_TIME, Cut, NoTimeColumnError, SpineRows, cut_spine
from featurectl.operations.views import BoundView, bind_newest
from featurectl.registry.applied import registered_model
from featurectl.workspace.applied_workspace import AppliedWorkspace


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """A training set as a person asks for it, and as its manifest keeps it.

    The inputs of a model, or `features`; `spine` names a source or a file, None: the model's own. `keys_from`: the
    spine is every key that this view knows at `at` (None: now). `time` names the column with the instant of a row
    (None: the model's, else `event_time`), `known_at` that of when its answer is made (None: the model's, else the
    same), `join` the columns of keys that are called otherwise than the keys.
    `as_served`: values as the online store would have had them. `inputs_only`: the inputs and the label alone, and
    nothing else of the spine.
    """

    model: str | None = None
    features: tuple[FeatureChoice, ...] = ()
    spine: str | None = None
    keys_from: str | None = None
    at: datetime | None = None
    time: str | None = None
    known_at: str | None = None
    join: tuple[tuple[str, str], ...] = ()
    cut: Cut = field(default_factory=Cut)
    as_served: bool = False
    inputs_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRequest:
    """A request with what it names: the model's definition (None without one), its inputs, the views with tables.

    `old_names` says of each feature that is named by an alias what it is called now.
    """

    request: TrainingRequest
    model: Model | None
    inputs: Sequence[ModelInput]
    views: Mapping[str, BoundView]
    old_names: tuple[str, ...] = ()


def check_request(request: TrainingRequest) -> None:
    """See that a request asks for the inputs of a model or for features, and for rows that can be drawn.

    Raises:
        UsageError: it does not.
    """
    if (request.model is None) == (not request.features):
        raise UsageError("give a MODEL or --features, one of them")
    if request.model is not None and request.join:
        raise UsageError("--join goes with --features", hint=f"model {request.model} says itself how its keys join")
    if request.keys_from is not None and request.spine is not None:
        raise UsageError("give --spine or --keys-from, one of them")
    if request.at is not None and request.keys_from is None:
        raise UsageError("--at goes with --keys-from VIEW", hint="a spine has an instant for each row")
    if request.time is not None and request.model is not None and request.spine is None:
        raise UsageError("--time goes with --spine", hint="the model's own spine says where its time is")
    _check_known_at(request)
    if not 0 < request.cut.sample <= 1:
        raise UsageError(f"--sample {request.cut.sample} is no share", hint="above 0, at most 1")
    if request.cut.seed < 0:
        raise UsageError(f"--seed {request.cut.seed} is no seed", hint="0 or more")


def _check_known_at(request: TrainingRequest) -> None:
    if request.known_at is None:
        return
    if request.keys_from is not None:
        raise UsageError("--known-at goes with a spine", hint="--at says when every key is asked")
    if request.model is not None and request.spine is None:
        raise UsageError("--known-at goes with --spine", hint="the model's own spine says when its answers are made")


def _check_as_served(request: TrainingRequest, model: Model | None) -> None:
    """See that values as they were served are asked for at the time of rows alone."""
    known_at = request.known_at or (model.spine.known_at if model is not None else None)
    if request.as_served and known_at is not None:
        raise UsageError(
            f"--as-served: what was online at the time of a row was made then, and not at {known_at}",
            hint="leave one of --as-served and known_at out",
        )


def resolve_request(request: TrainingRequest, applied: AppliedWorkspace) -> ResolvedRequest:
    """Return what a request means now: the model as it is applied, the newest version of each view and table.

    Raises:
        UsageError: something of that name is not applied, or a view says nothing of when it is refreshed.
        DataError: FC510, a view was never materialized.
        StoreError: the log of a stream can't be read.
    """
    check_request(request)
    model = None if request.model is None else registered_model(applied.state, request.model)
    _check_as_served(request, model)
    names = views_read(model.inputs) if model else [choice.view for choice in request.features]
    views = until_log(bind_newest(applied.state, applied.offline, names), applied)
    inputs = model.inputs if model else chosen_inputs(request, views)
    old_names = old_name_warnings({name: bound.view for name, bound in views.items()}, request.features)
    views = dict(served_views(views, request))
    if (keys_from := request.keys_from) is not None:
        views = {**until_log(bind_newest(applied.state, applied.offline, [keys_from]), applied), **views}
        request = replace(request, at=request.at or _known_until(views, applied.now))
    return ResolvedRequest(request=request, model=model, inputs=inputs, views=views, old_names=old_names)


def _known_until(views: Mapping[str, BoundView], now: datetime) -> datetime:
    """Return now, or up to when all events of the streams of some views are there."""
    return min([now, *(bound.asof for bound in views.values() if bound.asof is not None)])


def chosen_inputs(request: TrainingRequest, views: Mapping[str, BoundView]) -> Sequence[ModelInput]:
    """Return the inputs of a request without a model."""
    definitions = {name: bound.view for name, bound in views.items()}
    return feature_inputs(definitions, request.features, dict(request.join))


def served_views(views: Mapping[str, BoundView], request: TrainingRequest) -> Mapping[str, BoundView]:
    """Return the views as a request asks for their values: exact, or as they were served."""
    if not request.as_served:
        return views
    check_refresh(bound.view for bound in views.values())
    return {name: replace(bound, as_served=True) for name, bound in views.items()}


def read_asked_spine(asked: ResolvedRequest, applied: AppliedWorkspace, place: SpillPlace | None = None) -> AnySpine:
    """Return the part of the spine that is asked for; with a `place` in files where it outgrows the memory.

    Rows of erased keys are left out of it.
    """
    label = asked.model.spine.label if asked.model else None
    joined = joined_entities(asked.inputs, asked.views, label)
    return without_erased(_read_asked(asked, applied, place), joined, applied.state.erasures, place)


def _read_asked(asked: ResolvedRequest, applied: AppliedWorkspace, place: SpillPlace | None) -> AnySpine:
    request = asked.request
    if request.keys_from is not None:
        return cut_spine(spine_of_keys(asked, applied.now), request.cut)
    try:
        spine = choose_spine(
            applied.open_source,
            applied.state,
            asked.model,
            NamedSpine(request.spine, request.time, request.known_at),
            place,
        )
    except NoTimeColumnError as error:
        if request.time is not None:
            raise
        raise naming_time(error) from error
    if place is not None and not isinstance(spine, SpineRows):
        return cut_long_spine(spine, request.cut, place)
    assert isinstance(spine, SpineRows)
    return cut_spine(spine, request.cut)


def naming_time(error: NoTimeColumnError) -> DataError:
    """Return the error that a spine has no column for its time, where none was named, with how one is."""
    return DataError(error.message, code=error.code, hint=f"--time COLUMN says which; {error.hint}")


def spine_of_keys(asked: ResolvedRequest, now: datetime) -> SpineRows:
    """Return a row for each key of a view that was known at an instant, sorted by key; its time is that instant.

    Raises:
        UsageError: the view has no entity, or the instant has not come.
    """
    request = asked.request
    assert request.keys_from is not None
    assert request.at is not None
    bound = replace(asked.views[request.keys_from], known_at=request.at, as_served=False)
    if not bound.view.keys:
        raise UsageError(f"--keys-from {request.keys_from}: the view has no entity, so it has no keys")
    if request.at > now:
        raise UsageError(f"--at {format_iso(request.at)} has not come yet: now is {format_iso(now)}")
    if asked.model is None:
        _check_joined_keys(request, bound)
    columns = _key_columns(asked, bound)
    rows = known_keys([(bound, columns)], tuple(columns.values()), None)
    time_column = request.time or (asked.model.spine.time if asked.model else DEFAULT_TIME)
    time = pl.repeat(request.at, rows.height, dtype=INSTANT, eager=True).alias(time_column)
    rows = rows.with_columns(time)
    origin = f"keys of {bound.label} at {format_iso(request.at)}"
    return SpineRows(rows=rows, own=rows, time=time, time_column=time_column, origin=origin)


def _check_joined_keys(request: TrainingRequest, bound: BoundView) -> None:
    """See that `join` names columns of rows that have none but the keys of a view, each by its own name.

    Raises:
        UsageError: it does not.
    """
    keys = bound.view.keys
    for key, column in request.join:
        if column not in keys or (key in keys and column != key):
            message = f"--join {key}={column}: with --keys-from {bound.view.name} the rows have its keys"
            raise UsageError(f"{message}, no {column!r} for {key}", hint=f"columns: {', '.join(keys)}")


def _key_columns(asked: ResolvedRequest, bound: BoundView) -> dict[str, str]:
    """Return the spine column of each key: as the model joins the view, or as it is asked for, else the key's name."""
    join = dict(asked.request.join)
    for item in asked.inputs:
        if isinstance(item, FeatureInput) and item.view == bound.view.name:
            join = dict(item.join)
            break
    return {key: join.get(key, key) for key in bound.view.keys}
