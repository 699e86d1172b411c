"""Why a view's values are as they are: its chain from the sources to what is served, and an entity's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import FeaturectlError
from featurectl.core.progress import Progress
from featurectl.engines.all_engines import open_engine
from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.monitor.checks import check_histories
from featurectl.monitor.health import runs_seen, served_meanwhile, served_view
from featurectl.monitor.status import freshness_of_source
from featurectl.monitor.value_history import (
    EntityHistory,
    HistoryQuestion,
    history_by_current_names,
    is_lost_online,
    read_history,
)
from featurectl.monitor.why import Chain, Records, cause_of, look_at_chain
from featurectl.online.client.read_view import ReadView
from featurectl.online.row_places import online_view
from featurectl.operations.entity_values import (
    EntityRequest,
    by_current_names,
    chosen_features,
    parse_entity,
    shown_entity,
    split_version,
)
from featurectl.operations.online_rows import read_online
from featurectl.operations.views import bind_view
from featurectl.registry.applied import registered_view
from featurectl.streaming.status.read import read_stream_status
from featurectl.workspace.clocks import warn_of_clocks

if TYPE_CHECKING:
    from featurectl.online.read import Answer
    from featurectl.registry.state import ObjectVersion, State
    from featurectl.streaming.status.facts import StreamStatus
    from featurectl.workspace.workspace import Workspace

_BACK: Final = timedelta(days=30)
_CHANGES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityValues:
    """What there is of an entity: None for what can't be read, and `error` says why."""

    words: tuple[str, ...]
    entity: Mapping[str, object]
    history: EntityHistory | None
    online: Answer | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewExplanation:
    """The chain of a view, what is wrong with it ("": nothing), and the values of an entity, if one was named."""

    chain: Chain
    cause: str
    environment: str
    values: EntityValues | None


def explain_view(workspace: Workspace, request: EntityRequest, progress: Progress) -> ViewExplanation:
    """Return why a view's values are as they are; with keys also those of an entity, and how it came to them.

    Of features that the request names it is said that the view has them, no more.

    Raises:
        UsageError: there is no such view, version or feature, or a word is no key of it.
        StoreError: the registry can't be read.
    """
    name, number = split_version(request.view)
    state = workspace.applied_state()
    item = registered_view(state, name, number)
    view = load_untyped_view(item.definition)
    chosen_features(view, request.features)
    types = view.key_types
    entity = parse_entity(types, request.keys) if request.keys else {}  # wrong words: before anything is read
    progress.start("look at the stores")
    chain = _chain(workspace, state, item)
    named = shown_entity(types, entity)
    values = _values(workspace, item, request.keys, named) if request.keys else None
    progress.done("")
    warn_of_clocks(workspace, progress)
    cause = cause_of(chain) or (cause_of_values(values, chain) if values else "")
    return ViewExplanation(chain=chain, cause=cause, environment=workspace.environment.name, values=values)


def _chain(workspace: Workspace, state: State, item: ObjectVersion) -> Chain:
    served, (runs, unread) = served_view(workspace, item), runs_seen(workspace, _BACK)
    own = [run for run in runs if (run.view, run.version) == (item.name, item.version)]
    checks = check_histories([(served.view, item.version)], own, workspace.now)
    records = Records(state=state, runs=runs, checks=checks, unread=unread)
    look = partial(
        freshness_of_source, reader=workspace.source, engine=open_engine(workspace.environment), now=workspace.now
    )
    chain = look_at_chain(served, look, workspace.online, records, workspace.now)
    workers = _workers_on(workspace, chain.stream) if chain.stream and served.clock is not None else None
    return replace(chain, meanwhile=served_meanwhile(workspace, state, chain.row), workers=workers)


def _workers_on(workspace: Workspace, stream: str) -> StreamStatus | None:
    """Return how far workers on a stream are; None where it is not applied any more."""
    try:
        return read_stream_status(workspace, [stream])[0]
    except FeaturectlError:
        return None


def cause_of_values(values: EntityValues, chain: Chain) -> str:
    """Return what is wrong with an entity's values where the chain is as it should be; "": nothing is."""
    entity, pushed = " ".join(values.words), chain.online.computed_at if chain.online else None
    if values.error:
        return f"{entity} can't be read: {values.error}"
    if values.history is None or values.online is None or pushed is None or pushed > chain.now:
        return ""
    if is_lost_online(values.history, values.online, pushed):
        what = f"the online store has no row of {entity}, of which the offline table had values at the last push"
        return f"{what}: featurectl verify --store {chain.row.name}"
    return ""


def _values(
    workspace: Workspace, item: ObjectVersion, words: Sequence[str], named: Mapping[str, object]
) -> EntityValues:
    """Return what there is of an entity: its history, and its online value where that can be read."""
    history, online, problem = None, None, ""
    try:
        bound = bind_view(workspace.offline(), item)
        entity = parse_entity(bound.view.key_types, words)
        where = online_view(bound.view, bound.version, workspace.project, workspace.environment.name)
        question = HistoryQuestion(view=bound.view, online=where, table=bound.table, entity=entity, now=workspace.now)
        history = read_history(open_engine(workspace.environment), question, _CHANGES)
        history = history_by_current_names(history, bound.view)
        if bound.view.online:
            online = read_online(workspace, ReadView(view=bound.view, online=where), [list(entity.values())])[0]
            online = by_current_names(online, bound.view)
    except FeaturectlError as error:
        problem = error.message
    return EntityValues(words=tuple(words), entity=named, history=history, online=online, error=problem)
