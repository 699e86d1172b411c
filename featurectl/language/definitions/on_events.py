"""Where the predictions on the events of a model's spine go, and of which events there are any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from featurectl.expressions.tree import Expression

MAX_AGE_US: Final = 600_000_000  # ten minutes: how far back lists can be asked where a model does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class OnEvents:
    """A prediction for each event of the spine's source for which `where` is true (None: for all).

    They go to a topic, which lies where the topics of the environment are unless `url` says where, or to the Delta
    table in the folder `path`. An event that is older than `max_age_us` when it could be scored is not.
    """

    topic: str = ""
    url: str = ""
    path: str = ""
    where: Expression | None = None
    max_age_us: int = MAX_AGE_US
