"""A repository with a stream of swipes in a topic of its own, and what lies in that topic."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from featurectl.cli.main import main
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits

LIMIT_S = 120
PROJECT = """
project: {name}
environments:
  dev: {{registry: "sqlite:///r.db", offline: off, online: "{online}", streams: "{streams}"}}
  fixed:
    {{registry: "sqlite:///r.db", offline: off, online: "{online}", streams: "{streams}", now: 2026-01-01T00:00:00Z}}
"""
OBJECTS = """
entities: [{{name: card, keys: {{card: string}}}}]
sources:
  - name: swipes
    stream: {{topic: {topic}, key: [card]}}
    columns: {{swipe: int64, card: string, amount: float64, at: timestamp}}
    event_time: at
    dedup_key: [swipe]
    checks: [{{column: amount, between: [-1000, 1000]}}, {{column: card, not_null: true}}]
  - {{name: shops, path: shops.csv, columns: {{shop: string, at: timestamp}}, event_time: at}}
feature_views:
  - name: spend
    entity: card
    source: swipes
    aggregates: [{{op: count, windows: [1h]}}, {{column: amount, op: sum, windows: [1h]}}]
"""
PARTITIONS = 3


class EventShop:
    """The repository, applied, with its topic."""

    def __init__(self, root: Path, online: str = "sqlite:///on.db", streams: str = "sqlite:///streams.db") -> None:
        self.root = root
        self.name = f"shop_{uuid.uuid4().hex[:8]}"
        self.topic = f"{self.name}_swipes"
        self.url = streams.replace("sqlite:///", f"sqlite:///{root}/")
        (root / "featurectl.yaml").write_text(PROJECT.format(name=self.name, online=online, streams=streams))
        self.apply()
        with closing(open_topics(self.url)) as broker:
            broker.create(self.topic, PARTITIONS)

    def apply(self, change: Callable[[str], str] = lambda text: text, *allowed: str) -> None:
        """Apply the objects, changed."""
        (self.root / "objects.yaml").write_text(change(OBJECTS.format(topic=self.topic)))
        words = ["apply", "-C", str(self.root), "-q", "--auto-approve"]
        assert main([*words, *(word for name in allowed for word in ("--allow-remove", name))]) == 0

    def served(self, **settings: Any) -> TestClient:
        """Return a client of a server in this process that takes events."""
        of = {"timeout_s": 30.0, "store_timeout_s": 15.0, "reload_s": 0.05, "event_timeout_s": 30.0, "events": True}
        return TestClient(open_app(ServeSettings(root=str(self.root), **{**of, **settings})))

    def work(self) -> None:
        """Let a worker take what is there."""
        assert main(["stream", "run", "-C", str(self.root), "-q", "--once"]) == 0

    def messages(self) -> Mapping[int, list[tuple[bytes | None, bytes]]]:
        """Return what lies in the topic: keys and values of each partition."""
        found: dict[int, list[tuple[bytes | None, bytes]]] = {number: [] for number in range(PARTITIONS)}
        with closing(open_topics(self.url)) as broker:
            marks = broker.watermarks(self.topic)
            with closing(broker.open_reader(self.topic)) as reader:
                for number, of in marks.items():
                    reader.seek(number, of.begin)
                end_s = time.monotonic() + LIMIT_S
                while any((reader.position(number) or 0) < of.end for number, of in marks.items()):
                    assert time.monotonic() < end_s
                    for batch in reader.take(TakeLimits()).batches:
                        found[batch.partition] += zip(batch.keys, batch.values, strict=True)
        return found

    def sent(self) -> list[int]:
        """Return the numbers of the swipes in the topic, in order."""
        return sorted(json.loads(value)["swipe"] for part in self.messages().values() for _, value in part)


def swipe(number: int, **values: object) -> dict[str, object]:
    """Return an event of now."""
    own = {"swipe": number, "card": f"c{number % 5}", "amount": 1.5, "at": datetime.now(UTC).isoformat()}
    return {**own, **values}


def ahead(minutes: float) -> str:
    """Return an instant so long after now."""
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, which may take long on a slow machine."""
    end = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
