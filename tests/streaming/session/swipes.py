"""A project with a stream of swipes and their history, applied; events are sent, and lists are asked."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import redis

from featurectl.cli.main import main
from featurectl.core.errors import StoreError
from featurectl.language.definitions.source import Source
from featurectl.online.stream_state.base import ListsAsk, StreamSource
from featurectl.online.stream_state.layout import parse_layout
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.streaming.session.applied_streams import applied_streams, reader_group
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.first_use import open_topic
from featurectl.workspace.open import open_workspace
from featurectl.workspace.workspace import Workspace

LIMIT_S = 120  # no test takes as long: a machine may be slow
OBJECTS = """
entities: [{name: card, keys: {card: string}}]
sources:
  - name: swipes
    stream: {topic: swipes}
    history: swipes_files
    columns: {swipe: int64, card: string, amount: float64, at: timestamp}
    event_time: at
    dedup_key: [swipe]
    checks: [{column: amount, between: [-1000, 1000]}]
  - name: swipes_files
    path: history.csv
    columns: {swipe: int64, card: string, amount: float64, fee: float64, at: timestamp}
    event_time: at
    dedup_key: [swipe]
feature_views:
  - name: spend
    entity: card
    source: swipes
    aggregates: [{column: amount, op: [sum, count], windows: [1h]}]
"""
PROJECT = """
project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "ONLINE", streams: "STREAMS"}
  fixed: {registry: "sqlite:///r.db", offline: off, online: "ONLINE", streams: "STREAMS", now: 2026-01-20T00:00:00Z}
"""


@dataclass(kw_only=True)
class Swipes:
    """The project in a folder; `objects` are its files' text."""

    root: Path
    online: str = "sqlite:///on.db"
    streams: str = "sqlite:///streams.db"
    objects: str = OBJECTS
    sent: int = 0
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.configure()
        before = (self.begun - timedelta(minutes=5)).isoformat()
        (self.root / "history.csv").write_text(
            f"swipe,card,amount,fee,at\n1000001,c1,100,1,{before}\n1000002,c2,50,2,{before}\n"
        )
        self.apply(self.objects)

    def configure(self) -> None:
        """Write where the stores are."""
        project = PROJECT.replace("ONLINE", self.online).replace("STREAMS", self.streams)
        (self.root / "featurectl.yaml").write_text(project)

    def apply(self, objects: str, *removed: str) -> None:
        """Apply a text of the files, without some objects."""
        (self.root / "objects.yaml").write_text(objects)
        allowed = [word for name in removed for word in ("--allow-remove", name)]
        assert main(["-C", str(self.root), "apply", "--auto-approve", "-q", *allowed]) == 0

    def workspace(self) -> Workspace:
        """The workspace in its first environment."""
        return open_workspace(self.root, None, None, "unread")

    def send(self, count: int = 1, **values: object) -> None:
        """Send some events of card c1 of an amount of 1."""
        self.send_texts(*[self.event(**values) for _ in range(count)])

    def event(self, **values: object) -> str:
        """The text of an event."""
        self.sent += 1
        own = {"swipe": self.sent, "card": "c1", "amount": 1.0, "at": datetime.now(UTC).isoformat()}
        return json.dumps({**own, **values})

    def send_texts(self, *texts: str) -> None:
        """Send some texts."""
        self.send_bytes(*[text.encode() for text in texts])

    def send_bytes(self, *values: bytes) -> None:
        """Send the bytes of some messages."""
        with self.workspace() as workspace:
            url = workspace.topic_url(workspace.repo.sources["swipes"])
        with closing(open_topics(url)) as broker:
            open_topic(broker, url, "swipes")
            with closing(broker.open_writer("swipes")) as writer:
                writer.send([(None, value) for value in values])
                writer.flush()

    def values(self, card: str = "c1", view: str = "spend@1") -> Mapping[str, object] | None:
        """What a view says of a card online; None: it can't be answered."""
        with self.workspace() as workspace, closing(workspace.stream_state()) as state:
            place = StreamSource(project="shop", env="dev", source="swipes")
            found = applied_streams(workspace.state())["swipes"].views[view]
            try:
                [answer] = state.read(place, [ListsAsk(view=view, entities=[f"s{len(card)}:{card}".encode()])])
            except StoreError:
                return None
            if answer.lists is None or answer.lists[0] is None or answer.generation is None:
                return None
            with closing(state.connect(place)) as connection:
                live = connection.register.read_state().live(view)
            assert live is not None
            document = state.read_layout(place, live)
            if not document:  # other lists took their place meanwhile
                return None
            layout = parse_layout(document)
            parsed = parse_list(answer.lists[0].elements, layout)
            return ListReader(found.features, layout).answer(parsed, answer.asof).values

    def elements_of(self, view: str) -> int:
        """How many elements the SQLite store has of all lists of a view version."""
        query = (
            "select count(*) from stream_elements join stream_generations on generation = stream_generations.id"
            " where view = ?"
        )
        with closing(sqlite3.connect(self.root / "on.db")) as connection:
            return int(connection.execute(query, (view,)).fetchone()[0])

    def spends(self) -> list[str]:
        """The versions of the view spend that can be read."""
        place = StreamSource(project="shop", env="dev", source="swipes")
        with self.workspace() as workspace, closing(workspace.stream_state()) as state:
            live = state.read_poll(place).live
        return sorted(name for name in live if name.startswith("spend@"))

    def shares(self) -> list[int]:
        """How many partitions of the topic each of its workers has."""
        with self.workspace() as workspace:
            url = workspace.topic_url(workspace.repo.sources["swipes"])
        with closing(open_topics(url)) as broker:
            found = broker.readers("swipes", reader_group(StreamSource(project="shop", env="dev", source="swipes")))
        return [len(of.partitions) for of in (found or {}).values()]

    def asof(self) -> datetime:
        """As of when all partitions of the stream are online."""
        place = StreamSource(project="shop", env="dev", source="swipes")
        with self.workspace() as workspace, closing(workspace.stream_state()) as state:
            return datetime.fromtimestamp(state.read_poll(place).asof / 1_000_000, UTC)

    def logged(self) -> int:
        """How many events the log has."""
        with self.workspace() as workspace:
            log = replace(workspace.event_log(Source(name="swipes", format="stream")), columns={})
            return log.rows(log.open())

    def logged_in(self, folder: str) -> bool:
        """Whether an offline store has a log of the stream."""
        return any("_streams" in path.parts for path in (self.root / folder).rglob("*.parquet"))

    def rejected(self) -> pl.DataFrame:
        """The table of what was rejected."""
        with self.workspace() as workspace:
            log = workspace.rejected_log(workspace.repo.sources["swipes"])
            frames = list(log.read_rows(log.open(), ["_rejected", "column", "value"]))
        return pl.concat(frames) if frames else pl.DataFrame()


def emptied(url: str) -> str:
    """Return the URL of a Redis, in which nothing is left of what another test of this project put there."""
    with closing(redis.Redis.from_url(url)) as client:
        for key in client.scan_iter("shop/*"):
            client.delete(key)
    return url


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, which may take long on a slow machine."""
    end = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)
