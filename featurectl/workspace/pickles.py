"""Which models of a workspace may run code when they are loaded."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurectl.models.pickle_policy import PicklePolicy
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace


def pickle_policy(workspace: Workspace, state: State, *, by_flag: bool) -> PicklePolicy:
    """Return which models may run code when they are loaded, by its files, the registry and a command's flag."""
    from featurectl.models.pickle_policy import pickle_policy_of

    @cache
    def in_files() -> frozenset[str]:
        from featurectl.language.load import load_repo

        return frozenset(name for name, model in load_repo(workspace.root, None).models.items() if model.allow_pickle)

    return pickle_policy_of(in_files, state, by_flag=by_flag)
