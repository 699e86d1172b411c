"""What the sources of a plan lack here, as far as that is cheap to see: files, and columns of their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from featurectl.core.errors import DataError, UsageError
from featurectl.core.units import plural
from featurectl.language.data_roots import OutsideDataError

if TYPE_CHECKING:
    from featurectl.language.definitions.source import Source
    from featurectl.plan.plan import Plan
    from featurectl.workspace.workspace import Workspace

_MOST_SHOWN: Final = 3


def source_warnings(plan: Plan, workspace: Workspace) -> list[str]:
    """Return what `materialize` will not find in the sources that are changed, or that views read anew.

    Of a stream it is what `stream run` will not find: an address of its topic, and a clock that goes on.

    Each is said as the error will be. It is none of the plan: files may be applied where the data is not.
    """
    repo = workspace.repo
    names = [c.name for c in plan.changes if c.object == "source" and c.kind not in ("removed", "unchanged")]
    read = [repo.views[change.name].source for change in plan.changes if change.computes]
    names += [source.name for source in read]
    names += [source.history.name for source in read if source.history is not None]
    sources = [repo.sources[name] for name in dict.fromkeys(names) if name in repo.sources]
    lacking = [text for source in sources if (text := _lack(source, workspace))]
    more = len(lacking) - _MOST_SHOWN
    if more > 0:
        rest = f"{more} more {plural(more, 'source lacks', 'sources lack')} data or columns here: featurectl validate"
        return [*lacking[:_MOST_SHOWN], rest]
    return lacking


def _lack(source: Source, workspace: Workspace) -> str:
    from featurectl.sources.open import check_headers

    if source.is_stream:
        return _stream_lacks(source, workspace)
    try:
        check_headers(source, workspace.root)
    except (OutsideDataError, UsageError):  # an environment may let it be read
        return ""
    except DataError as error:
        return f"{error.message} ({error.code}{f'; {error.hint}' if error.hint else ''})"
    return ""


def _stream_lacks(source: Source, workspace: Workspace) -> str:
    """Return why no worker can run on a stream in this environment."""
    from featurectl.language.stream_places import check_streams_run, topic_address

    try:
        topic_address(source, workspace.environment)
        check_streams_run(workspace.environment)
    except UsageError as error:
        return f"{error.message} ({error.hint})"
    return ""
