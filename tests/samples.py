"""Which tests `make test` leaves to `make long`: those marked `long`, and of those marked `sample` all cases but some.

`@pytest.mark.sample(3)` leaves three of a test's cases, the first one and others at equal distances.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import pytest

LONG: Final = pytest.mark.long


def leave_out(items: list[pytest.Item]) -> None:
    """Mark as long the cases that are not in the sample of their test."""
    cases: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if (sample := item.get_closest_marker("sample")) is not None:
            cases[item.nodeid.partition("[")[0], sample.args[0]].append(item)
    for (_, count), of_one in cases.items():
        chosen = in_sample(len(of_one), count)
        for number, item in enumerate(of_one):
            if number not in chosen:
                item.add_marker(LONG)


def in_sample(total: int, count: int) -> set[int]:
    """Return the numbers of the cases that stay of so many."""
    return {number * total // count for number in range(min(total, count))} if count < total else set(range(total))
