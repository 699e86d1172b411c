"""A repository of random views over a stream of random events, and what each way of reading says of its entities."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from starlette.testclient import TestClient

import featurectl
from featurectl.cli.main import main
from featurectl.core.units import instant_us
from featurectl.operations.entity_values import EntityRequest, get_online
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.workspace.open import open_workspace

CARDS = ["ana", "öre", "日本", "a:b c", "", "x" * 40, "🙂", "nobody"]  # nobody has no event
TODAY = datetime.now(UTC).date()
DAYS = [TODAY - timedelta(days=days) for days in range(3)]
COLUMNS = {
    "swipe": "int64", "card": "string", "day": "date", "amount": "float64", "cents": "int64", "price": "decimal(20,4)",
    "ok": "bool", "shop": "string", "born": "date", "seen": "timestamp", "at": "timestamp",
}  # fmt: skip
ALL_OPS = ["count", "last", "first", "count_distinct", "last_n", "top_k"]
NUMBER_OPS = ["sum", "mean", "min", "max", "stddev", "median"]
VALUES = ["amount", "cents", "price", "ok", "shop", "born", "seen"]
PROJECT = """
project: readings{seed}
environments:
  dev: {{registry: "sqlite:///r.db", offline: off, online: "{online}", streams: "sqlite:///streams.db"}}
"""


@dataclass(kw_only=True)
class RandomShop:
    """A repository with two views of a stream and one of files: `spend` of aggregates, `newest` of a row, `limits`."""

    root: Path
    seed: int
    online: str = "sqlite:///on.db"
    events: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def make(self, count: int = 120) -> None:
        """Write and apply it, send events, and let a worker take all."""
        self.root.mkdir(exist_ok=True)
        (self.root / "featurectl.yaml").write_text(PROJECT.format(online=self.online, seed=self.seed))
        (self.root / "objects.yaml").write_text(json.dumps(self._objects()))
        lines = [
            f"{json.dumps(card, ensure_ascii=False)},{place},2026-01-01T00:00:00Z"
            for place, card in enumerate(CARDS[:5])
        ]
        (self.root / "cards.csv").write_text("\n".join(["card,limit,at", *lines, ""]))
        assert self.run("apply", "--auto-approve") == 0
        assert self.run("materialize", "limits") == 0
        self.send(count)
        self.work()

    def run(self, *words: str) -> int:
        """Run a command quietly."""
        return main([words[0], "-C", str(self.root), "-q", *words[1:]])

    def work(self) -> None:
        """Let a worker take what is there."""
        assert main(["stream", "run", "-C", str(self.root), "-q", "--once"]) == 0

    def send(self, count: int) -> None:
        """Send random events of the last two days."""
        with closing(open_topics(f"sqlite:///{self.root / 'streams.db'}")) as broker:
            if not self.events:
                broker.create("swipes", 3)
            with closing(broker.open_writer("swipes")) as writer:
                events = [self._event() for _ in range(count)]
                writer.send([(str(event["card"]).encode(), json.dumps(event).encode()) for event in events])
                writer.flush()
        self.events += events

    def _event(self) -> dict[str, object]:
        random = self.random
        at = datetime.now(UTC) - timedelta(seconds=random.uniform(5, 2 * 86_400))

        def maybe(value: object) -> object:
            return None if random.random() < 0.2 else value

        return {
            "swipe": random.randrange(10**6),
            "card": random.choice(CARDS[:-1]),
            "day": random.choice(DAYS).isoformat(),
            "amount": maybe(random.choice([random.gauss(0, 1e3), 0.1, 1e-300, 7.0])),
            "cents": maybe(random.choice([random.randrange(-(2**40), 2**40), 2**53 + 1, -(2**57) - 1])),
            "price": maybe(f"{random.randrange(-(10**12), 10**12)}.{random.randrange(10**4):04}"),
            "ok": maybe(random.random() < 0.5),
            "shop": maybe(random.choice(["", "ä", "b", "long" * 20])),
            "born": maybe(date.fromordinal(random.randrange(600_000, 740_000)).isoformat()),
            "seen": maybe((at - timedelta(days=random.randrange(9_000))).isoformat()),
            "at": at.isoformat(),
        }

    def _objects(self) -> dict[str, object]:
        random = self.random
        swipes = {
            "name": "swipes", "stream": {"topic": "swipes"}, "columns": COLUMNS, "event_time": "at",
            **({"dedup_key": ["swipe"]} if random.random() < 0.5 else {}),
        }  # fmt: skip
        cards = {
            "name": "cards", "path": "cards.csv", "event_time": "at",
            "columns": {"card": "string", "limit": "int64", "at": "timestamp"},
        }  # fmt: skip
        features = [{"name": name, **({"default": 3} if name == "cents" else {})} for name in VALUES]
        return {
            "entities": [
                {"name": "card", "keys": {"card": "string"}},
                {"name": "card_day", "keys": {"card": "string", "day": "date"}},
            ],
            "sources": [swipes, cards],
            "feature_views": [
                {"name": "spend", "entity": "card", "source": "swipes", "aggregates": self._aggregates(),
                 "derived": [{"name": "doubled", "expr": "count_1d * 2"}]},
                {"name": "newest", "entity": "card_day", "source": "swipes", "features": features,
                 **({"ttl": random.choice(["1h", "1d"])} if random.random() < 0.5 else {})},
                {"name": "limits", "entity": "card", "source": "cards", "features": ["limit"]},
            ],
        }  # fmt: skip

    def _aggregates(self) -> list[dict[str, object]]:
        random = self.random
        found: list[dict[str, object]] = [{"op": "count", "windows": ["1d"]}]
        chosen = {
            (column, op)
            for column in VALUES
            for op in [*random.sample(ALL_OPS, 2), *(NUMBER_OPS if column in ("amount", "cents") else [])]
        }
        for column, op in sorted(chosen):
            more = {"n": random.randrange(1, 4)} if op in ("last_n", "top_k") else {}
            windows = random.sample(["1h", "6h", "1d"], 2)
            found.append({"column": column, "op": op, "windows": windows, **more})
        return found


@dataclass(frozen=True, kw_only=True)
class ReadValue:
    """What a way of reading says of a feature."""

    value: object
    status: str
    event_us: int | None
    asof_us: int | None


Reading = Mapping[str, Sequence[ReadValue]]  # by feature


def rows_of() -> dict[str, list[object]]:
    """Every card, and a null, on different days."""
    cards: list[object] = [*CARDS, None]
    return {"card": cards, "day": [DAYS[place % 3] for place in range(len(cards))]}


def by_client(root: Path, features: Sequence[str], at: datetime | None = None) -> Reading:
    with featurectl.open_client(root) as client:
        return _columns(client.get(features, rows_of(), at))


def by_async_client(root: Path, features: Sequence[str], at: datetime | None = None) -> Reading:
    async def read() -> Reading:
        async with featurectl.open_async_client(root, budget_s=60) as client:
            return _columns(await client.get(features, rows_of(), at))

    return asyncio.run(read())


def _columns(found: Any) -> Reading:
    return {
        name: [
            ReadValue(value=value, status=status, event_us=event, asof_us=computed)
            for value, status, event, computed in zip(
                column.values, column.statuses, column.event_us, column.computed_us, strict=True
            )
        ]
        for name, column in found.columns.items()
    }


def by_get(root: Path, view: str, at: datetime | None = None) -> Reading:
    """What `featurectl get` says of each row without a null."""
    rows, found = rows_of(), dict[str, list[ReadValue]]()
    with open_workspace(root, None, at, "unread") as workspace:
        keys = ["card"] if view == "spend" else ["card", "day"]
        for place in range(len(CARDS)):
            words = tuple(f"{key}={rows[key][place]}" for key in keys)
            answer = get_online(workspace, EntityRequest(view=view, keys=words)).answer
            event = None if answer.event_time is None else instant_us(answer.event_time)
            for name, value in answer.values.items():
                computed = None if answer.computed_at is None else instant_us(answer.computed_at)
                read = ReadValue(value=value.value, status=value.status, event_us=event, asof_us=computed)
                found.setdefault(name, []).append(read)
    return found


def by_http(client: TestClient, features: Sequence[str], at: datetime | None = None) -> dict[str, Any]:
    """The features of an answer, as JSON has them."""
    body: dict[str, object] = {
        "features": list(features),
        "entities": rows_of(),
        "return": ["event_time", "computed_at"],
    }
    content = msgspec.json.encode(body | ({"time": at} if at else {}))
    answer = client.post("/v1/features", content=content)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["features"])


def as_json(found: Reading) -> dict[str, list[list[object]]]:
    """Values and statuses as JSON has them."""
    encoded = {name: [[read.value, read.status] for read in column] for name, column in found.items()}
    return dict(msgspec.json.decode(msgspec.json.encode(encoded)))


def serving(root: Path) -> TestClient:
    return TestClient(open_app(ServeSettings(root=str(root), timeout_s=60, store_timeout_s=30)))
