"""Canaries in the registry: begun once, decided once, whoever else tries."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, func, insert, select, update

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.registry import tables
from featurectl.registry.aliases import has_alias, move_aliases, read_alias
from featurectl.registry.applied import canary_running
from featurectl.registry.rows import canary_document, load_canary, load_model_version
from featurectl.registry.state import CHALLENGER, CHAMPION, CanaryRun


def insert_canary(connection: Connection, project: str, run: CanaryRun) -> CanaryRun:
    """Write a canary under the next number of its model, and point `challenger` at its version.

    The transaction must hold the project's row, so that no other can begin one meanwhile.

    Raises:
        UsageError: a version is not there or rejected.
        TryAgainError: one of the model is running, or the champion is another by now.
    """
    table = tables.canaries
    for other in load_canaries(connection, project):
        if other.model == run.model and other.state == "running":
            raise canary_running(other)
    _check_version(connection, project, run)
    _check_champion(connection, project, run)
    last = select(func.max(table.c.number)).where(table.c.project == project, table.c.model == run.model)
    run = replace(run, number=(connection.execute(last).scalar() or 0) + 1)
    row = {"project": project, "model": run.model, "number": run.number, "state": run.state}
    connection.execute(insert(table), [row | {"document": canary_document(run)}])
    move_aliases(connection, project, run.model, {CHALLENGER: run.challenger})
    return run


def end_canary(connection: Connection, project: str, decided: CanaryRun) -> bool:
    """Write how a canary ended unless that is written already; the aliases move with it. True when it was written.

    The update of the running row is what decides: of two transactions one finds it running no more.

    Raises:
        TryAgainError: it is to be promoted, and the champion is another by now than it was compared with.
    """
    table = tables.canaries
    same = (table.c.project == project, table.c.model == decided.model, table.c.number == decided.number)
    _hold_project(connection, project)
    ended = update(table).where(*same, table.c.state == "running")
    ended = ended.values(state=decided.state, document=canary_document(decided))
    if connection.execute(ended.returning(table.c.number)).first() is None:
        return False
    if decided.state == "promoted":
        _check_champion(connection, project, decided)
        move_aliases(connection, project, decided.model, {CHAMPION: decided.challenger})
    if read_alias(connection, project, decided.model, CHALLENGER) == decided.challenger:
        move_aliases(connection, project, decided.model, {CHALLENGER: None})
    return True


def load_canaries(connection: Connection, project: str) -> tuple[CanaryRun, ...]:
    """Return a project's canaries."""
    table = tables.canaries
    query = select(table.c.document).where(table.c.project == project).order_by(*table.primary_key.columns)
    return tuple(load_canary(document) for document in connection.execute(query).scalars())


def _hold_project(connection: Connection, project: str) -> None:
    """Keep every other transaction from changing the project until this one ends."""
    table = tables.projects
    connection.execute(update(table).where(table.c.project == project).values(serial=table.c.serial))


def _check_version(connection: Connection, project: str, run: CanaryRun) -> None:
    table = tables.model_versions
    same = (table.c.project == project, table.c.model == run.model, table.c.version == run.challenger)
    found = connection.execute(select(table.c.document).where(*same)).scalar()
    if found is None:
        raise UsageError(f"model {run.model} has no version {run.challenger}")
    is_rejected = load_model_version(found).status == "rejected"
    if is_rejected and not has_alias(connection, project, run.model, run.challenger):
        raise UsageError(f"model {run.model} version {run.challenger} was rejected by its gates")


def _check_champion(connection: Connection, project: str, run: CanaryRun) -> None:
    champion = read_alias(connection, project, run.model, CHAMPION)
    if champion != run.champion:
        found = "none" if champion is None else f"version {champion}"
        raise TryAgainError(f"the champion of model {run.model} is {found} by now, not version {run.champion}")
