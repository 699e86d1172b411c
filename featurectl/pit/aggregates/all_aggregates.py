"""Which class answers which aggregate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.pit.aggregates.approx_distinct import ApproxCountDistinct
from featurectl.pit.aggregates.base import Aggregate
from featurectl.pit.aggregates.first_last import Pick, PickMany
from featurectl.pit.aggregates.min_max import Extreme
from featurectl.pit.aggregates.sums import Count, Mean, Spread, Sum
from featurectl.pit.aggregates.whole_range import CountDistinct, Percentile, TopK

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
