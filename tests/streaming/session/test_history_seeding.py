"""Lists that begin with a history have each of its rows, whatever parts entities are worked on in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from featurectl.cli.main import main
from featurectl.streaming import seed_events
from tests.streaming.session.swipes import OBJECTS, Swipes

CARDS = 12
# The stream makes `size` of the amount, its history reads it from a column of files that has it.
SELECTED = OBJECTS.replace(
    "    checks: [{column: amount",
    '    select: {size: "abs(amount)"}\n    checks: [{column: amount',
).replace(
    "fee: float64, at: timestamp}\n    event_time: at\n    dedup_key: [swipe]\nfeature_views",
    'fee: float64, at: timestamp}\n    event_time: at\n    dedup_key: [swipe]\n    select: {size: "fee * 2"}\n'
    "feature_views",
).replace("column: amount, op: [sum, count]", "column: size, op: [sum, count]")  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("objects", [OBJECTS, SELECTED], ids=["plain", "select"])
def test_each_row_of_a_history_counts_once(tmp_path: Path, objects: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(seed_events, "ROWS_AT_ONCE", 100)  # so that there are several parts
    random, now = Random(7), datetime.now(UTC)
    rows = []
    for number in range(1_000_000, 1_000_400):
        age_s = random.choice([random.randrange(60, 3000), random.randrange(3700, 7000)])  # away from the window's end
        at = now - timedelta(seconds=age_s)
        rows.append((number, f"c{random.randrange(CARDS)}", random.randrange(-50, 50), at))
    swipes = Swipes(root=tmp_path, objects=objects)
    lines = [f"{number},{card},{amount},{amount / 10},{at.isoformat()}" for number, card, amount, at in rows]
    (tmp_path / "history.csv").write_text("\n".join(["swipe,card,amount,fee,at", *lines, ""]))
    for number in range(CARDS):
        swipes.send(1, card=f"c{number}", amount=-1.0)
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    is_plain = objects is OBJECTS
    for number in range(CARDS):
        found = swipes.values(f"c{number}")
        assert found is not None
        total, count = found["amount_sum_1h" if is_plain else "size_sum_1h"], [*found.values()][-1]
        begin = datetime.now(UTC) - timedelta(hours=1)
        mine = [amount for _, card, amount, at in rows if card == f"c{number}" and at >= begin]
        wanted = sum(mine) - 1 if is_plain else sum(amount / 5 for amount in mine) + 1
        assert (total, count) == (pytest.approx(wanted), len(mine) + 1)
