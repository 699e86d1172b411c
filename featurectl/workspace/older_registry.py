"""A registry that was restored from before an erasure is found by the online store, which has heard of it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import StoreError
from featurectl.core.units import counted, format_instant, from_us

if TYPE_CHECKING:
    from featurectl.online.base import OnlineStore
    from featurectl.online.erasure_mark import HeardErasures
    from featurectl.workspace.workspace import Workspace

_HINT: Final = "erase each key once more that was erased since: featurectl erase ENTITY KEY=VALUE"


def check_erasures_known(workspace: Workspace, store: OnlineStore | None = None) -> None:
    """Check that the registry knows of all erasures that the online store has heard of, and have it hear of the rest.

    Who writes rows asks: tables and a registry that come back from one backup agree with each other. Without a `store`
    one is opened and closed again.

    Raises:
        StoreError: FC619, it does not; or a store fails.
    """
    from featurectl.online.erasure_mark import hear_of, read_heard

    if store is None:
        with closing(workspace.online_handle()) as opened:
            check_erasures_known(workspace, opened)
        return
    project, env = workspace.project, workspace.environment.name
    if problem := _problem(workspace, read_heard(store, project, env)):
        raise StoreError(problem, code="FC619", hint=_HINT)
    if workspace.erasures():
        hear_of(store, project, env, workspace.erasures)


def older_registry(workspace: Workspace) -> str:
    """Return that the registry is older than an erasure that the online store has heard of, or "".

    Raises:
        StoreError: a store fails.
    """
    from featurectl.online.erasure_mark import read_heard

    return _problem(workspace, read_heard(workspace.online(), workspace.project, workspace.environment.name))


def _problem(workspace: Workspace, heard: HeardErasures) -> str:
    unknown = heard.unknown_to(workspace.erasures(heard.number))
    if not unknown:
        return ""
    when, keys = format_instant(from_us(heard.number)), counted(unknown, "key")
    return (
        f"the online store has heard of erasures up to {when}, and the registry knows nothing of {keys} among them: it "
        "was restored from before, or the store is of another registry, too"
    )
