"""Open a client of the online store by a repository; see `featurectl/online/client/clients.py`."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.online.client.clients import AsyncOnlineClient, ClientParts, OnlineClient
from featurectl.online.client.event_sender import EventSender
from featurectl.workspace.online_schema import read_online_schema
from featurectl.workspace.open import find_root, open_workspace
from featurectl.workspace.workspace import Workspace

_BUDGET_S: Final = 1.0


def open_client(repo: str | Path | None = None, env: str | None = None, as_of: datetime | None = None) -> OnlineClient:
    """Return a client that waits for its answers.

    `repo` is the repository's folder, by default this one or the nearest parent that is one. `env` names an
    environment, the first by default. `as_of` is the instant to take as now.

    Raises:
        UsageError: there is no repository or no such environment.
        ProblemsError: the repository's files have errors.
        StoreError: the registry can't be read.
    """
    workspace = _workspace(repo, env, as_of)
    now = as_of or workspace.environment.now
    return OnlineClient(workspace.online(), partial(read_online_schema, workspace), now, _parts(workspace))


def open_async_client(
    repo: str | Path | None = None,
    env: str | None = None,
    as_of: datetime | None = None,
    budget_s: float = _BUDGET_S,
) -> AsyncOnlineClient:
    """Return a client for one event loop, as `open_client` does; a read fails that takes longer than `budget_s`."""
    workspace = _workspace(repo, env, as_of)
    now = as_of or workspace.environment.now
    return AsyncOnlineClient(
        workspace.async_reader(budget_s), partial(read_online_schema, workspace), now, _parts(workspace)
    )


def _parts(workspace: Workspace) -> ClientParts:
    return ClientParts(
        release=partial(_close, workspace), streams=workspace.stream_reader, sender=partial(_open_sender, workspace)
    )


def _open_sender(workspace: Workspace) -> EventSender:
    """Return what sends events.

    Raises:
        UsageError: the clock is fixed.
    """
    from featurectl.streaming.intake.client_sender import ClientEventSender  # which few clients need

    return ClientEventSender(workspace)


def _workspace(repo: str | Path | None, env: str | None, as_of: datetime | None) -> Workspace:
    if as_of is not None and as_of.tzinfo is None:
        raise UsageError(f"as_of: {as_of} has no time zone", hint="datetime(2026, 1, 8, tzinfo=UTC)")
    return open_workspace(find_root(None if repo is None else Path(repo)), env, as_of, "project file")


def _close(workspace: Workspace) -> None:
    with workspace:  # its end closes what was opened
        pass
