"""featurectl: a feature store that is one command.

In Python: `featurectl.open_project()` gives a repository's `Project`, every command as a method and rows as frames;
`featurectl.open_client()` and `featurectl.open_async_client()` give applications its online features.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from featurectl.core.version import __version__

if TYPE_CHECKING:
    from featurectl import errors
    from featurectl.api.clients import open_async_client, open_client
    from featurectl.api.project import Project, ScoredFrame, TrainingFrame, open_project


__all__ = [
    "Project",
    "ScoredFrame",
    "TrainingFrame",
    "__version__",
    "errors",
    "open_async_client",
    "open_client",
    "open_project",
]


def __getattr__(name: str) -> object:
    """Return what is for Python; it is loaded when it is first asked for, so that the command stays quick."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "errors":
        return import_module("featurectl.errors")
    if name in ("open_async_client", "open_client"):
        from featurectl.api import clients

        return getattr(clients, name)
    from featurectl.api import project

    return getattr(project, name)
