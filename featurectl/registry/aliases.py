"""The aliases of models in a registry's database: which version a name means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.registry import tables
from featurectl.registry.applied import retired_version
from featurectl.registry.rows import accepted, load_model_version, model_document
from featurectl.registry.state import CHAMPION, PREVIOUS, ModelVersion

_TABLE: Final = tables.aliases


def move_aliases(
    connection: Connection,
    project: str,
    model: str,
    moves: Mapping[str, int | None],
    seen: Mapping[str, int] | None = None,
) -> None:
    """Point aliases of a model at versions of it; None takes an alias away.

    When the champion moves, the one before becomes `previous`, unless the moves say themselves what that is. A version
    that an alias comes to name is rejected no more, whatever gates it failed once.

    Raises:
        UsageError: the model has no such version.
        TryAgainError: `seen`, the aliases as they were read, are not those of now.
    """
    mine = (_TABLE.c.project == project, _TABLE.c.model == model)
    rows = connection.execute(select(_TABLE.c.alias, _TABLE.c.version).where(*mine)).all()
    now = {str(alias): int(version) for alias, version in rows}
    if seen is not None and dict(seen) != now:
        raise TryAgainError(f"the aliases of model {model} have moved meanwhile", hint="featurectl models list")
    before = now.get(CHAMPION)
    if before is not None and moves.get(CHAMPION, before) != before:
        moves = {PREVIOUS: before, **moves}
    for version in moves.values():
        _accept_version(connection, project, model, version)
    connection.execute(delete(_TABLE).where(*mine, _TABLE.c.alias.in_(list(moves))))
    kept = [(alias, version) for alias, version in moves.items() if version is not None]
    for alias, version in kept:
        row = {"project": project, "model": model, "alias": alias, "version": version}
        connection.execute(insert(_TABLE).values(**row))


def _accept_version(connection: Connection, project: str, model: str, version: int | None) -> None:
    if version is None:
        return
    table = tables.model_versions
    same = (table.c.project == project, table.c.model == model, table.c.version == version)
    document = connection.execute(select(table.c.document).where(*same)).scalar()
    if document is None:
        raise UsageError(f"model {model} has no version {version}")
    found = load_model_version(document)
    if found.status == "retired":
        raise retired_version(model, version)
    if found.status == "rejected":
        connection.execute(update(table).where(*same).values(document=model_document(accepted(found))))


def forget_previous(connection: Connection, project: str, versions: Iterable[ModelVersion]) -> None:
    """Take `previous` away from versions of models."""
    for version in versions:
        same = (_TABLE.c.model == version.model, _TABLE.c.version == version.version, _TABLE.c.alias == PREVIOUS)
        connection.execute(delete(_TABLE).where(_TABLE.c.project == project, *same))


def has_alias(connection: Connection, project: str, model: str, version: int) -> bool:
    """Return whether any alias points at a version."""
    same = (_TABLE.c.project == project, _TABLE.c.model == model, _TABLE.c.version == version)
    return connection.execute(select(_TABLE.c.alias).where(*same)).first() is not None


def read_alias(connection: Connection, project: str, model: str, alias: str) -> int | None:
    """Return the version that an alias points at, None when there is none of that name."""
    same = (_TABLE.c.project == project, _TABLE.c.model == model, _TABLE.c.alias == alias)
    found: int | None = connection.execute(select(_TABLE.c.version).where(*same)).scalar()
    return found
