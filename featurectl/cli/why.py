"""`featurectl why`: one page on a view, for whoever is on call."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Outcome
from featurectl.cli.future import warn_of_clocks
from featurectl.cli.get import parse_entity, split_version
from featurectl.cli.verb import verb
from featurectl.core.errors import FeaturectlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurectl.cli.render.why import EntityValues
    from featurectl.monitor.why import Chain
    from featurectl.registry.state import ObjectVersion, State
    from featurectl.workspace.workspace import Workspace

_BACK: Final = timedelta(days=30)
_CHANGES: Final = 10


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "why", as_of=True)
    def why(
        call: Call,
        view: Annotated[str, typer.Argument(help="VIEW, or VIEW@2 for one of its versions.")],
        key: Annotated[list[str] | None, typer.Argument(help="KEY=VALUE for each key of an entity.")] = None,
    ) -> Outcome:
        """Show why a view's values are as they are: one page from its sources to what is served.

        First what is wrong, if anything is. Then each link of the chain with its clocks and version, the models that
        read the view, its last runs and the checks that failed. With the keys of an entity: its value online and from
        the offline table now, and how it came to that; -v tells of every feature that changed. Exits 1 when something
        is wrong.
        """
        from featurectl.cli.render.why import render_why, why_json
        from featurectl.monitor.why import cause_of
        from featurectl.registry.applied import registered_view

        name, number = split_version(view)
        with open_applied(call, call.instant()) as workspace:
            state = workspace.applied_state()
            item = registered_view(state, name, number)
            words = list(key or [])
            entity = _parsed(item, words)
            call.progress.start("look at the stores")
            chain = _chain(workspace, state, item)
            values = _values(workspace, item, words) if entity else None
            call.progress.done("")
            warn_of_clocks(call, workspace)
            environment = workspace.environment.name
        cause = cause_of(chain) or (_cause_of_values(values, chain) if values else "")
        text = render_why(chain, cause, environment, values, whole=call.verbose)
        return Outcome(text=text, result=why_json(chain, cause, values), exit_code=1 if cause else 0)


def _parsed(item: ObjectVersion, words: Sequence[str]) -> bool:
    """Return whether an entity is asked for; its words are looked at before anything is read."""
    from featurectl.language.definitions.json_form import load_untyped_view

    if words:
        parse_entity(load_untyped_view(item.definition).key_types, words)
    return bool(words)


def _chain(workspace: Workspace, state: State, item: ObjectVersion) -> Chain:
    from featurectl.monitor.checks import check_histories
    from featurectl.monitor.health import runs_seen, served_meanwhile, served_view
    from featurectl.monitor.status import check_source
    from featurectl.monitor.why import Records, look_at_chain

    served, (runs, unread) = served_view(workspace, item), runs_seen(workspace, _BACK)
    own = [run for run in runs if (run.view, run.version) == (item.name, item.version)]
    checks = check_histories([(served.view, item.version)], own, workspace.now)
    records = Records(state=state, runs=runs, checks=checks, unread=unread)
    look = partial(check_source, reader=workspace.source, now=workspace.now)
    chain = look_at_chain(served, look, workspace.online, records, workspace.now)
    return replace(chain, meanwhile=served_meanwhile(workspace, state, chain.row))


def _cause_of_values(values: EntityValues, chain: Chain) -> str:
    """Return what is wrong with an entity's values where the chain is as it should be; "": nothing is."""
    from featurectl.monitor.value_history import is_lost_online

    entity, pushed = " ".join(values.words), chain.online.computed_at if chain.online else None
    if values.error:
        return f"{entity} can't be read: {values.error}"
    if values.history is None or values.online is None or pushed is None or pushed > chain.now:
        return ""
    if is_lost_online(values.history, values.online, pushed):
        what = f"the online store has no row of {entity}, of which the offline table had values at the last push"
        return f"{what}: featurectl verify --store {chain.row.name}"
    return ""


def _values(workspace: Workspace, item: ObjectVersion, words: Sequence[str]) -> EntityValues:
    """Return what there is of an entity: its history, and its online value where that can be read."""
    from featurectl.api.project import read_online
    from featurectl.cli.render.why import EntityValues
    from featurectl.engines.open import open_engine
    from featurectl.monitor.value_history import HistoryQuestion, read_history
    from featurectl.online.features import ReadView
    from featurectl.online.view_rows import online_view
    from featurectl.operations.training.bind import bind_view

    history, online, told = None, None, ""
    try:
        bound = bind_view(workspace.offline(), item)
        entity = parse_entity(bound.view.key_types, words)
        where = online_view(bound.view, bound.version, workspace.project, workspace.environment.name)
        asked = HistoryQuestion(view=bound.view, online=where, table=bound.table, entity=entity, now=workspace.now)
        history = read_history(open_engine(workspace.environment), asked, _CHANGES)
        if bound.view.online:
            online = read_online(workspace, ReadView(view=bound.view, online=where), [list(entity.values())])[0]
    except FeaturectlError as error:
        told = error.message
    return EntityValues(words=tuple(words), history=history, online=online, error=told)
