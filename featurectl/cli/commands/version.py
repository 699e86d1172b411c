"""`featurectl version`."""

from __future__ import annotations

import platform

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.core.version import __version__

_LIBRARIES = ("polars", "deltalake", "sqlalchemy", "redis", "pydantic", "typer", "lightgbm")


@verb()
def version(call: Call) -> Outcome:
    """Print the versions of featurectl and its libraries."""
    found = {name: _version(name) for name in _LIBRARIES}
    result = {"featurectl": __version__, "python": platform.python_version(), **found}
    text = "\n".join(f"{name:<12}{value or 'not installed'}" for name, value in result.items())
    return Outcome(text=text, result=result)


def _version(name: str) -> str | None:
    from importlib import metadata  # slow to load

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
