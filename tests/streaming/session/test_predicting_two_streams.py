"""A model on events that reads views of two streams waits for both; its values are those of an offline replay."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from featurectl.core.units import format_iso
from featurectl.offline.event_log import STAMP
from featurectl.predicting.factory import EventPredictors
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.first_use import open_topic
from tests.streaming.session.predicted import PredictedSwipes, of_rule
from tests.streaming.session.running import running_in
from tests.streaming.session.swipes import wait_for

VISITS = """  - name: visits
    stream: {topic: visits}
    columns: {visit: int64, card: string, at: timestamp}
    event_time: at
feature_views:
"""
VISITED = """  - {name: visited, entity: card, source: visits, aggregates: [{op: count, windows: [1h]}]}
models:"""
READ = '{view: spend, features: [amount_count_1h]}\n      - {view: visited, features: "*"}'
BOTH = (
    of_rule("by_two_counts")
    .replace("feature_views:\n", VISITS)
    .replace("models:", VISITED)
    .replace('{view: spend, features: "*"}', READ)
)
CARDS = [f"n{number}" for number in range(4)]  # without a history
HOUR = timedelta(hours=1)


class TwoStreams:
    """Swipes of some cards, and visits of the same, which come late now and then."""

    def __init__(self, root: Path, objects: str = BOTH) -> None:
        self.random, self.visits = random.Random(3), 0
        self.swipes = PredictedSwipes(root=root, objects=objects)

    def _late(self, most_s: int) -> str:
        late_s = self.random.choice([0, self.random.randrange(most_s)])
        return (datetime.now(UTC) - timedelta(seconds=late_s)).isoformat()

    def send(self, count: int) -> None:
        """Send some visits, and as many swipes after them."""
        self.send_visits(count)
        events = [self.swipes.event(card=self.random.choice(CARDS), at=self._late(300)) for _ in range(count)]
        self.swipes.send_texts(*events)

    def send_visits(self, count: int) -> None:
        """Send some visits."""
        url = f"sqlite:///{self.swipes.root / 'streams.db'}"
        with closing(open_topics(url)) as broker:
            open_topic(broker, url, "visits")
            with closing(broker.open_writer("visits")) as writer:
                for _ in range(count):
                    self.visits += 1
                    event = {"visit": self.visits, "card": self.random.choice(CARDS), "at": self._late(4000)}
                    writer.send([(None, json.dumps(event).encode())])
                writer.flush()

    @contextmanager
    def working(self, *sources: str) -> Iterator[None]:
        """Let some sources be worked on until all swipes have predictions, or are put aside."""
        with running_in(self.swipes.workspace, *sources, predictors=EventPredictors(allow_pickle=True)):
            yield
            wait_for(lambda: self.swipes.predicted() + self.swipes.rejected().height == self.swipes.sent)

    def rows(self, source: str) -> pl.DataFrame:
        """The log of a stream."""
        with self.swipes.workspace() as workspace:
            log = workspace.event_log(workspace.repo.sources[source])
            return pl.concat(log.read_rows(log.open(), ["card", "at", STAMP]))

    def asof_of_visits(self) -> datetime:
        """Up to when all visits are in lists, as the log says where no worker is."""
        with self.swipes.workspace() as workspace:
            found = workspace.event_log(workspace.repo.sources["visits"]).open().state.asof_us
        assert found is not None
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=found)


def counted(rows: pl.DataFrame, card: object, time: datetime, known: datetime) -> int:
    """How many events of a card lie in the hour before an instant, of those that were known at another."""
    at = pl.col("at")
    return rows.filter(pl.col("card") == card, at >= time - HOUR, at < time, pl.col(STAMP) <= known).height


def check_replayed(streams: TwoStreams) -> list[datetime]:
    """Compare each prediction with a replay of both logs, and return as of when each was made, as they were sent."""
    swipes, visits, instants = streams.rows("swipes"), streams.rows("visits"), dict[int, datetime]()
    for of in streams.swipes.predictions():
        known = datetime.fromisoformat(str(of["known_at"]))
        time = min(datetime.fromisoformat(str(of["event_time"])), known)
        counts = [counted(rows, of["card"], time, known) for rows in (visits, swipes)]
        assert of["score"] == counts[0] * 1_000 + counts[1], of
        instants[int(str(of["offset"]))] = known
    return [instants[offset] for offset in range(streams.swipes.sent)]


@pytest.mark.long
def test_predictions_wait_for_both_streams_and_are_replayed(tmp_path: Path):
    streams = TwoStreams(tmp_path)
    with streams.working():
        for _ in range(5):
            streams.send(40)
    check_replayed(streams)
    before, asof = streams.swipes.sent, streams.asof_of_visits()
    with streams.working("swipes"):  # nobody works on the visits: what is known of them stands still
        streams.send(20)
    assert {*check_replayed(streams)[before:]} == {asof}  # after a while of patience, by what there is
    with streams.working():
        streams.send(20)
    assert min(check_replayed(streams)[-20:]) > asof


NEWEST = """  - {name: newest, entity: card, source: swipes, features: [amount]}
  - {name: visited"""
FORGETS = (
    BOTH.replace("by_two_counts", "by_first")
    .replace("  - {name: visited", NEWEST)
    .replace("{view: spend, features: [amount_count_1h]}", '{view: newest, features: "*", prefix: last_}')
    .replace("{topic: scores}}", "{topic: scores}, max_age: 1s}")
)


@pytest.mark.long
def test_an_event_that_lists_have_forgotten_is_put_aside(tmp_path: Path):
    streams = TwoStreams(tmp_path, FORGETS)
    swipes, amounts = streams.swipes, {"n0": 0.0, "n1": 25.0}
    with streams.working():
        streams.send_visits(1)
        swipes.send_texts(*[swipes.event(card=card, amount=amount) for card, amount in amounts.items()])
        wait_for(lambda: None not in [swipes.values(card, "newest@1") for card in amounts])
    asof, before = streams.asof_of_visits(), swipes.sent

    def has_forgotten() -> bool:
        swipes.send_texts(*[swipes.event(card=card, amount=50.0) for card in amounts for _ in range(20)])
        reasons = [*swipes.rejected().to_dict().get("_rejected", [])]
        return all(any(f"newest@1 card={card}:" in why for why in reasons) for card in amounts)

    with streams.working("swipes"):  # what is known of visits stands still, and lists fold what was known then
        wait_for(has_forgotten)
    rows = swipes.rejected().with_columns(card=pl.col("value").cast(pl.String).str.json_path_match("$.card"))
    told = {of for of in rows.select("card", "_rejected").iter_rows() if "not predicted, as" not in of[1]}
    why = f"the online store does not know any more what was at {format_iso(asof)}"
    assert told == {(card, f"model fraud: newest@1 card={card}: {why}") for card in amounts}
    later = {
        (of["card"], of["score"], of["known_at"]) for of in swipes.predictions() if int(str(of["offset"])) >= before
    }
    assert later <= {(card, amount / 100, format_iso(asof)) for card, amount in amounts.items()}  # nothing of later
    assert swipes.logged() == swipes.sent
