"""Rows of a table that nothing else holds any more: a table is not made anew without them unless that is asked for."""

from __future__ import annotations

from featurectl.core.errors import DataError
from featurectl.core.units import counted
from featurectl.language.resolve.transformed import transform_sources
from featurectl.offline.base import Coverage
from featurectl.operations.materialize.run import MaterializeRun


def check_files_there(run: MaterializeRun, coverage: Coverage, why: str) -> None:
    """Check that a table can be made anew from all that it has read; `why` says what it is made anew for.

    A transform without `lookback` makes its table of what there is at every run.

    Raises:
        DataError: FC501, files that it has read are gone.
    """
    transform = run.view.transform
    if transform is not None and transform.lookback_us is None:
        return
    for source, reader in zip(transform_sources(run.view), (run.reader, *run.others), strict=True):
        mine = "" if transform is None else f"{source.name}/"
        read = [name.removeprefix(mine) for name in coverage.parts if name.startswith(mine)]
        gone = reader.lost_parts(reader.parts(), read)
        if gone:
            more = f" and {counted(len(gone) - 1, 'other file')}" * (len(gone) > 1)
            raise DataError(
                f"source {source.name}: {gone[0]}{more} that the table of {run.view.name} has read "
                f"{'is' if len(gone) == 1 else 'are'} gone; {why}, and made anew it would lose their rows",
                code="FC501",
                hint="put them back; `materialize --full` makes the table of what there is",
            )
