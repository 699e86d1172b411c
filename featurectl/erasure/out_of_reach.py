"""Where an erased person's rows may stay, as nothing here can remove them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from featurectl.core.erasures import Tombstone
from featurectl.core.errors import UsageError
from featurectl.core.variables import expand
from featurectl.language.renaming import columns_read
from featurectl.registry.state import ObjectVersion, State
from featurectl.workspace.workspace import Workspace

_ALWAYS: Final = (
    "sources: their rows are left out whenever they are read, and stay there until you delete them",
    "training sets, scores and exports that were written to files and tables of yours",
    "models: what was learned, their cards and profiles, and copies of them in MLflow",
    "backups: whoever restores one runs `featurectl erase --again`",
)
# By the scheme of the place, up to its first sign that is no letter, what is said of it.
_STORES: Final = {
    "redis": "Redis' own files (AOF, RDB) and its replicas', until they are written anew",
    "rediss": "Redis' own files (AOF, RDB) and its replicas', until they are written anew",
    "postgresql": "PostgreSQL's log (WAL), its archive, and copies of it",
    "dynamodb": "backups and the point-in-time recovery of DynamoDB",
}
_TOPICS: Final = {
    "redis": "events in topics of Redis, until their retention ends; workers leave them out",
    "rediss": "events in topics of Redis, until their retention ends; workers leave them out",
    "kafka": "events in topics of Kafka, until their retention ends; workers leave them out",
}


def out_of_reach(workspace: Workspace, state: State, tombstones: Sequence[Tombstone]) -> tuple[str, ...]:
    """Return a sentence for each place where rows of erased keys may stay, by what the environment uses."""
    environment = workspace.environment
    places = ((environment.online, _STORES), (environment.registry, _STORES), (environment.streams, _TOPICS))
    found = [text for location, known in places if (text := known.get(_scheme(workspace, location)))]
    if any(item.kind == "model" and item.current and item.definition.get("on_events") for item in state.objects):
        found.append("predictions on events, in the topic or table that `on_events.to` names")
    if any(item.kind == "pipeline" and item.current for item in state.objects):
        found.append("what stages of pipelines wrote, in .featurectl/pipelines of each machine and in records of runs")
    found += [*_others(state, tombstones), *_columns(state, [item.entity for item in tombstones])]
    return tuple(dict.fromkeys([*_ALWAYS, *found, *_environments(workspace)]))


def _scheme(workspace: Workspace, location: str) -> str:
    """Return the letters with which the URL of a place begins; "" where a variable of it is not set."""
    with suppress(UsageError):
        whole = expand(location, workspace.environ, "")
        return whole.partition("://")[0].partition("+")[0] if "://" in whole else ""
    return ""


def _others(state: State, tombstones: Sequence[Tombstone]) -> list[str]:
    """Return the entities that have a key among theirs which was given for another one: their rows stay."""
    given = {key for item in tombstones for key in item.keys}
    erased = {item.entity for item in tombstones}
    found = []
    for item in state.objects:
        shared = [key for key in _keys(item) if key in given] if item.kind == "entity" else []
        if shared and item.name not in erased:
            named = f"key{'s' * (len(shared) > 1)} {' and '.join(shared)}"
            found.append(
                f"entity {item.name}, which has the {named}, too: `featurectl erase {item.name} {_words(shared)}`"
            )
    return found


def _words(keys: Sequence[str]) -> str:
    """Return how keys are given to the command.

    >>> _words(["customer", "shop"])
    'customer=... shop=...'
    """
    return " ".join(f"{key}=..." for key in keys)


def _columns(state: State, entities: Sequence[str]) -> list[str]:
    """Return the tables that may have a key of the entities among their values."""
    keys = {key for item in state.objects if item.kind == "entity" and item.name in entities for key in _keys(item)}
    views = [item for item in state.objects if item.kind == "feature_view"]
    theirs = [item for item in views if _part(item, "entity").get("name") in entities]
    joined = {(_part(item, "source").get("name"), column) for item in theirs for column in _part(item, "join").values()}
    found = []
    for item in (item for item in views if item not in theirs):
        columns = keys | {str(column) for source, column in joined if source == _part(item, "source").get("name")}
        found += [
            f"table {item.name}@{item.version}: its column {name} may have the key as a value; delete it in the "
            f"source, and `featurectl materialize --full {item.name}`"
            for name in sorted(_made_of(columns, item))
        ]
    return found


def _made_of(columns: set[str], item: ObjectVersion) -> set[str]:
    """Return the columns of a view's table that are named like some of its source's, or read them."""
    inputs = item.definition.get("inputs")
    named = [each for each in inputs if isinstance(each, Mapping)] if isinstance(inputs, list) else []
    return {
        str(each.get("name"))
        for each in named
        if columns & {str(each.get("name")), *(part.value for part in columns_read(str(each.get("expression") or "")))}
    }


def _part(item: ObjectVersion, name: str) -> Mapping[str, object]:
    part = item.definition.get(name)
    return part if isinstance(part, Mapping) else {}


def _keys(item: ObjectVersion) -> Sequence[str]:
    keys = item.definition.get("keys")
    return [*keys] if isinstance(keys, Mapping) else []


def _environments(workspace: Workspace) -> list[str]:
    """Return what is to be done of the other environments, whose stores were not looked at."""
    own = workspace.environment
    others = [item for item in workspace.repo.environments.values() if item.name != own.name]
    same = [item.name for item in others if item.registry == own.registry]
    rest = [item.name for item in others if item.registry != own.registry]
    found = [f"environment {name}, which has this registry: `featurectl erase --again --env {name}`" for name in same]
    return found + [f"environment {name}: erase there, too (--env {name})" for name in rest]
