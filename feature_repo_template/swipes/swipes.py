"""Make swipes of cards: the history of some weeks, and what happens now. Plausible, made up, and the same each time.

    python3 swipes.py history            data/swipes.csv and data/chargebacks.csv: 30 days up to half an hour ago
    python3 swipes.py live [--count N]   N swipes of the last half hour, as lines of JSON, and those of one thief
    python3 swipes.py burst [--count N]  the same, and those of a dozen thieves

Which of the last two are a thief's goes to data/stolen.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

CARDS, MERCHANTS, DAYS, THIEVES = 120, 40, 30, 12
COUNTRIES = ("NL", "DE", "FR", "ES")
PAUSE = timedelta(minutes=30)
COLUMNS = ("swipe_id", "card", "merchant", "country", "amount", "at")
Swipe = dict[str, object]


class Card:
    """A card: where its holder lives, buys and how much."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.name = f"card-{number:03}"
        self.country = rng.choice(COUNTRIES)
        self.usual = 8 + 50 * rng.random()
        self.shops = rng.sample(range(MERCHANTS), 6)

    def swipe(self, at: datetime, rng: random.Random) -> Swipe:
        """Return an everyday swipe."""
        amount = round(self.usual * rng.lognormvariate(0, 0.6), 2)
        return swipe(self.name, rng.choice(self.shops), self.country, amount, at, rng)

    def fraud(self, at: datetime, rng: random.Random) -> Iterator[Swipe]:
        """Yield what a thief does: a few swipes within minutes, elsewhere, for more each time."""
        country = rng.choice([each for each in COUNTRIES if each != self.country])
        for number in range(rng.randrange(3, 8)):
            amount = round(self.usual * (1.5 + number) * rng.lognormvariate(0, 0.3), 2)
            yield swipe(self.name, rng.randrange(MERCHANTS), country, amount, at, rng)
            at += timedelta(seconds=rng.randrange(40, 200))


def swipe(card: str, merchant: int, country: str, amount: float, at: datetime, rng: random.Random) -> Swipe:
    values = (f"{rng.getrandbits(48):012x}", card, f"shop-{merchant:02}", country, amount, at.isoformat())
    return dict(zip(COLUMNS, values, strict=True))


def history(now: datetime, seed: int) -> tuple[list[Swipe], list[Swipe]]:
    """Return the swipes of the days before, and those that were disputed by now."""
    rng = random.Random(seed)
    end = now - PAUSE
    begin = end - timedelta(days=DAYS)
    swipes, disputed = [], []
    for number in range(CARDS):
        card = Card(number, rng)
        at = begin
        while (at := at + timedelta(hours=rng.expovariate(1 / 7))) < end:
            if rng.random() > 0.012:
                swipes.append(card.swipe(at, rng))
                continue
            stolen = list(card.fraud(at, rng))
            swipes += stolen
            for each in stolen:
                reported = at + timedelta(days=0.5 + 4 * rng.random())
                disputed.append({"swipe_id": each["swipe_id"], "reported_at": reported.isoformat()})
    known = [row for row in swipes if str(row["at"]) < end.isoformat()]
    reported = [row for row in disputed if str(row["reported_at"]) < end.isoformat()]
    return sorted(known, key=lambda row: str(row["at"])), sorted(reported, key=lambda row: str(row["reported_at"]))


def live(now: datetime, count: int, thieves: int, seed: int) -> tuple[list[Swipe], list[Swipe]]:
    """Return swipes of the last half hour, and those of them that thieves made, who have the last cards."""
    rng = random.Random(seed)
    cards = [Card(number, rng) for number in range(CARDS)]
    rng = random.Random(f"{seed} {now.isoformat()} {thieves}")
    swipes = [rng.choice(cards[:-thieves]).swipe(now - PAUSE * rng.random(), rng) for _ in range(count)]
    begun = now - timedelta(minutes=9)
    stolen = [row for card in cards[-thieves:] for row in card.fraud(begun, rng) if str(row["at"]) < now.isoformat()]
    return sorted(swipes + stolen, key=lambda row: str(row["at"])), stolen


def write(path: Path, rows: list[Swipe], mode: str = "w") -> None:
    path.parent.mkdir(exist_ok=True)
    is_new = mode == "w" or not path.exists()
    with path.open(mode, newline="") as file:
        table = csv.DictWriter(file, rows[0])
        if is_new:
            table.writeheader()
        table.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["history", "live", "burst"])
    parser.add_argument("--count", type=int, default=60, help="how many everyday swipes `live` and `burst` have")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--now", type=datetime.fromisoformat, default=datetime.now(UTC).replace(microsecond=0))
    given = parser.parse_args()
    folder = Path(__file__).parent / "data"
    if given.what != "history":
        swipes, stolen = live(given.now, given.count, THIEVES if given.what == "burst" else 1, given.seed)
        write(folder / "stolen.csv", stolen, "a")
        for row in swipes:
            print(json.dumps(row))
        return
    for name, rows in zip(("swipes", "chargebacks"), history(given.now, given.seed), strict=True):
        write(folder / f"{name}.csv", rows)
        print(f"data/{name}.csv: {len(rows):,} rows")


if __name__ == "__main__":
    main()
