"""Whether the views that are read were pushed, and not as of later: of a store that lost all nobody would see that."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from featurectl.core.errors import DataError
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.push_cache import Pushes, far_ahead, hint_when_ahead
from featurectl.online.client.pushed_versions import hint_to_push

# A view was never pushed, as of later, or without what reading needs; no worker keeps it online.
NOT_SERVED: Final = ("FC511", "FC527", "FC550")


def check_pushed(pushes: Pushes, reader: FeatureReader, latest: datetime | None) -> None:
    """Refuse to say of everybody that there is no row: of a store that lost all, nobody would see that.

    Nor of one whose rows are of later than `latest`, be it by the clock of this machine or by who pushed.

    Raises:
        DataError: FC511, the store has no push of a view: there was none, or it was lost; FC527, it is of later.
    """
    for view in reader.row_views:
        record = pushes.record(view)
        if latest is not None and view.online.versioned_by == "computed" and (far := far_ahead(record, latest)):
            raise DataError(f"view {view.field} was pushed as of {far}", code="FC527", hint=hint_when_ahead(view))
        if record is None:
            message = (
                f"the online store has no push of view {view.field}: it was never pushed, or the store was emptied"
            )
            raise DataError(message, code="FC511", hint=hint_to_push(view.online.view))
