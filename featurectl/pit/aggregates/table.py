"""Which class answers which aggregate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.pit.aggregates.base import Aggregate
from featurectl.pit.aggregates.extremes import Extreme
from featurectl.pit.aggregates.gathered import CountDistinct, Percentile, TopK
from featurectl.pit.aggregates.picks import Pick, PickMany
from featurectl.pit.aggregates.sketch import ApproxCountDistinct
from featurectl.pit.aggregates.sums import Count, Mean, Spread, Sum

AGGREGATES: Final[Mapping[str, Aggregate]] = {
    "count": Count(),
    "sum": Sum(),
    "mean": Mean(),
    "min": Extreme(greatest=False),
    "max": Extreme(greatest=True),
    "any": Extreme(greatest=True),
    "all": Extreme(greatest=False),
    "stddev": Spread(root=True, sample=True),
    "stddev_pop": Spread(root=True, sample=False),
    "var": Spread(root=False, sample=True),
    "var_pop": Spread(root=False, sample=False),
    "first": Pick(last=False),
    "last": Pick(last=True),
    "first_n": PickMany(last=False),
    "last_n": PickMany(last=True),
    "count_distinct": CountDistinct(),
    "approx_count_distinct": ApproxCountDistinct(),
    "median": Percentile(q=0.5),
    "percentile": Percentile(),
    "top_k": TopK(),
}
