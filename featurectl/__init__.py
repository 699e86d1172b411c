"""featurectl: a feature store that is one command.

In Python: `featurectl.open_project()` gives a repository's `Project`, with training sets and online values as frames.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurectl.project import Project, TrainingFrame, open_project

__version__ = "0.1.0"
__all__ = ["Project", "TrainingFrame", "__version__", "open_project"]


def __getattr__(name: str) -> object:
    """Return what is for Python; it is loaded when it is first asked for, so that the command stays quick."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from featurectl import project

    return getattr(project, name)
