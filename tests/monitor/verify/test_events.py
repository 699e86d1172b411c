"""Predictions on events, replayed as of two clocks: windows end at `time`, what was available at `known_at` counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from shutil import copytree

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.core.progress import Silent
from featurectl.monitor.verify.report import VerifyReport
from featurectl.monitor.verify.run_verify import VerifyLogRequest, verify_logs
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.workspace.open import open_workspace
from tests.streaming.session.predicted import PredictedSwipes

pytestmark = pytest.mark.long  # a model is trained, and workers run
OBJECTS = """
entities: [{name: card, keys: {card: string}}, {name: shop, keys: {shop: string}}]
sources:
  - name: swipes
    stream: {topic: swipes, key: [card]}
    history: swipes_files
    columns: {swipe: int64, card: string, shop: string, amount: float64, at: timestamp}
    event_time: at
    dedup_key: [swipe]
  - name: swipes_files
    path: past.csv
    columns: {swipe: int64, card: string, shop: string, amount: float64, at: timestamp}
    event_time: at
    dedup_key: [swipe]
  - name: limits_files
    path: limits.csv
    columns: {card: string, limit: int64, at: timestamp}
    event_time: at
feature_views:
  - name: spend
    entity: card
    source: swipes
    closed: right
    aggregates: [{column: amount, op: [sum, count], windows: [10m]}]
  - name: takings
    entity: shop
    source: swipes
    aggregates: [{column: amount, op: [max, count], windows: [1h]}]
  - {name: newest, entity: card, source: swipes, ttl: 30m, features: [amount]}
  - {name: limits, entity: card, source: limits_files, ttl: 30d, features: [limit]}
  - name: raises
    entity: card
    source: limits_files
    aggregates: [{column: limit, op: [count], windows: [30d]}]
models:
  - name: fraud
    spine: {source: swipes, time: at, known_at: available_at, label: {name: dear, expr: swipe % 3 = 1}}
    features:
      - {view: spend, features: "*"}
      - {view: takings, features: "*"}
      - {view: newest, features: "*", prefix: last_}
      - {view: limits, features: "*"}
      - {view: raises, features: "*"}
    on_events: {to: {topic: scores}, max_age: 1h}
    trainer: {estimator: sklearn.ensemble.HistGradientBoostingClassifier, params: {max_iter: 3}}
"""
ROUNDS, AT_ONCE, CARDS, SHOPS = 4, 100, 9, 5
SPEND = ["feature.amount_sum_10m", "feature.amount_count_10m"]
CLOCKS = ["time", "known_at", "computed_at.spend@1", "computed_at.takings@1", "computed_at.newest@1"]
WINDOW = timedelta(minutes=10)


class SwipesOfShops(PredictedSwipes):
    """Swipes that two entities have, of which one is keyed unlike the partitions, and what is pushed of cards."""

    def apply(self, objects: str, *removed: str) -> None:
        """Apply, with more files."""
        past, rng = self.begun - timedelta(hours=2), Random(5)
        rows = [
            f"{1_000_000 + n},c{rng.randrange(CARDS)},s{rng.randrange(SHOPS)},{rng.randrange(90)},"
            f"{(past + timedelta(seconds=20 * n)).isoformat()}"
            for n in range(300)
        ]
        (self.root / "past.csv").write_text("\n".join(["swipe,card,shop,amount,at", *rows]) + "\n")
        limits = [f"c{card},{100 * card},{(past - timedelta(days=card)).isoformat()}" for card in range(CARDS - 2)]
        (self.root / "limits.csv").write_text("\n".join(["card,limit,at", *limits]) + "\n")
        super().apply(objects, *removed)

    def raise_limits(self) -> None:
        """Push other limits of some cards: what these were before is not known online any more."""
        with (self.root / "limits.csv").open("a") as file:
            file.writelines(f"c{card},{card},{datetime.now(UTC).isoformat()}\n" for card in range(3))
        self.run("materialize", "-q", "limits", "raises")

    def send_round(self, rng: Random) -> None:
        """Send events of cards to four partitions, some of them late by seconds to minutes."""
        with closing(open_topics(f"sqlite:///{self.root / 'streams.db'}")) as broker:
            if not self.sent:
                broker.create("swipes", 4)
            with closing(broker.open_writer("swipes")) as writer:
                swipes = [self._swipe(rng) for _ in range(AT_ONCE)]
                writer.send([(str(swipe["card"]).encode(), json.dumps(swipe).encode()) for swipe in swipes])
                writer.flush()

    def _swipe(self, rng: Random) -> dict[str, object]:
        self.sent += 1
        late_s = rng.choice([rng.uniform(0, 2), rng.uniform(2, 30), rng.uniform(60, 900)])
        at = datetime.now(UTC) - timedelta(seconds=late_s)
        card, shop = f"c{rng.randrange(CARDS)}", f"s{rng.randrange(SHOPS)}"
        return {"swipe": self.sent, "card": card, "shop": shop, "amount": rng.randrange(1, 99), "at": at.isoformat()}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The repository with the log of some hundred predictions on events; not to be changed."""
    swipes = SwipesOfShops(root=tmp_path_factory.mktemp("events"), objects=OBJECTS)
    swipes.run("push", "-q")
    rng = Random(11)
    for number in range(ROUNDS):
        swipes.send_round(rng)
        if number == ROUNDS // 2:
            swipes.raise_limits()
        swipes.run("stream", "run", "-q", "--once")
    swipes.run("materialize", "-q")
    return swipes.root


@dataclass(frozen=True)
class Logged:
    """A copy of the repository, whose log may be spoiled."""

    root: Path

    def rows(self) -> pl.DataFrame:
        """All rows of the log."""
        return pl.concat([pl.read_parquet(file) for file in self._files()])

    def _files(self) -> Sequence[Path]:
        return sorted((self.root / "off/shop/predictions/dev/fraud/v1").rglob("*.parquet"))

    def spoil(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Change the log."""
        self.write(change(self.rows()))

    def write(self, *parts: pl.DataFrame) -> None:
        """Put other files in place of the log's."""
        files = self._files()
        for file in files:
            file.unlink()
        for file, rows in zip(files, parts, strict=False):
            rows.write_parquet(file)

    def verified(self, since: datetime | None = None) -> VerifyReport:
        """What `verify` finds."""
        with open_workspace(self.root, None, None, "unread") as workspace:
            return verify_logs(workspace, VerifyLogRequest(since=since), Silent())["fraud"]

    def causes(self, feature: str) -> dict[str, tuple[int, str]]:
        """Why a feature differs: how often, and what there is to tell."""
        [skew] = [of for of in self.verified().features if of.feature == feature]
        return {cause: (count, skew.details.get(cause, "")) for cause, count in skew.causes.items()}

    def put_aside(self) -> pl.DataFrame:
        """The events that have no prediction: their cards, times and the reason."""
        with open_workspace(self.root, None, None, "unread") as workspace:
            log = workspace.rejected_log(workspace.repo.sources["swipes"])
            rows = pl.concat([*log.read_rows(log.open(), ["_rejected", "value"])])
        events = [json.loads(value) for value in rows["value"]]
        return rows.select("_rejected").with_columns(
            pl.Series("card", [of["card"] for of in events]),
            pl.Series("at", [of["at"] for of in events]).str.to_datetime(time_zone="UTC"),
        )

    def limits(self) -> list[tuple[str, datetime]]:
        """Since when each card has had each of its limits."""
        return (
            pl.read_csv(self.root / "limits.csv").select("card", pl.col("at").str.to_datetime(time_zone="UTC")).rows()
        )

    def training_set(self) -> pl.DataFrame:
        """A row of features for each event, as the model is trained on them."""
        assert main(["-C", str(self.root), "training-set", "fraud", "--out", str(self.root / "set.parquet"), "-q"]) == 0
        return pl.read_parquet(self.root / "set.parquet")

    def events(self) -> list[tuple[str, datetime, datetime, float]]:
        """The card, time, availability and amount of all events, those of the history with their time as stamp."""
        with open_workspace(self.root, None, None, "unread") as workspace:
            log = workspace.event_log(workspace.repo.sources["swipes"])
            frames = list(log.read_rows(log.open(), ["card", "at", "_available_at", "amount"]))
        past = pl.read_csv(self.root / "past.csv", try_parse_dates=True)
        found = [row for frame in frames for row in frame.select("card", "at", "_available_at", "amount").iter_rows()]
        return found + [(c, at, at, float(amount)) for c, at, amount in past.select("card", "at", "amount").iter_rows()]


@pytest.fixture
def logged(made: Path, tmp_path: Path) -> Logged:
    return Logged(Path(copytree(made, tmp_path / "repo")))


Sees = Callable[[dict[str, datetime], datetime, datetime], bool]  # of a prediction: an event's time, and its stamp


def spends(logged: Logged, sees: Sees) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Put in place what the view `spend` says where it counts other events: by the plainest loop."""
    events = logged.events()

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        sums, counts = [], []
        for row in rows.iter_rows(named=True):
            seen = [amount for card, at, stamp, amount in events if card == row["card"] and sees(row, at, stamp)]
            sums.append(sum(seen) if seen else None)
            counts.append(len(seen))
        return rows.with_columns(pl.Series(SPEND[0], sums, pl.Float64), pl.Series(SPEND[1], counts, pl.Int64))

    return change


def truly(row: dict[str, datetime], at: datetime, stamp: datetime) -> bool:
    return row["time"] - WINDOW < at <= row["time"] and stamp <= row["known_at"]


def test_all_predictions_on_events_are_as_the_tables_say(logged: Logged):
    rows, report = logged.rows(), logged.verified()
    assert rows.height == report.rows == report.replayed == ROUNDS * AT_ONCE - logged.put_aside().height
    assert {skew.compared for skew in report.features} == {rows.height}, report.left_out
    assert (report.mismatched, report.left_out) == (0, {})
    assert len(report.features) == 7
    late_us = (rows["known_at"] - rows["time"]).dt.total_microseconds()
    assert (late_us > 60_000_000).sum() > 50
    assert rows.equals(spends(logged, truly)(rows))
    assert rows["request"].n_unique() == rows.height


def test_a_training_set_has_what_predictions_were_given(logged: Logged):
    served, names = logged.rows(), ["amount_sum_10m", "amount_count_10m", "amount_max_1h", "amount_count_1h"]
    names += ["last_amount", "limit"]
    trained = logged.training_set().select("card", pl.col("at").alias("time"), *names)
    both = served.join(trained, on=["card", "time"], suffix=" trained")
    assert both.height == served.height
    for name in names:
        assert both[f"feature.{name}"].to_list() == pytest.approx(both[name].to_list(), abs=1e-9), name
    aside = logged.put_aside()
    wanted = {
        (card, at)
        for card, at, stamp, _ in logged.events()
        for of, since in logged.limits()
        if of == card and at < since < stamp
    }
    assert len(wanted) > 10
    assert {*aside.select("card", "at").rows()} == wanted
    assert all("limits@1: the online store does not know any more what was at" in why for why in aside["_rejected"])


def test_events_are_chosen_by_when_they_were_predicted(logged: Logged):
    predicted = logged.rows()["logged_at"].sort()
    middle = predicted[predicted.len() // 2]
    assert logged.verified(since=middle).rows == (predicted >= middle).sum()


def test_a_value_that_was_changed_is_named(logged: Logged):
    some = pl.when(pl.int_range(pl.len()) % 40 == 0)
    logged.spoil(lambda rows: rows.with_columns(some.then(7.5).otherwise(SPEND[0]).alias(SPEND[0])))
    assert list(logged.causes("amount_sum_10m")) == ["corrupted value"]
    assert logged.causes("amount_count_10m") == {}


def test_windows_that_leave_the_event_out_are_another_boundary(logged: Logged):
    logged.spoil(spends(logged, lambda row, at, stamp: truly(row, at, stamp) and at < row["time"]))
    count, detail = logged.causes("amount_count_10m")["boundary"]
    assert (count > 300, detail) == (True, "closed: left")


def test_windows_that_end_when_an_event_was_taken_are_told(logged: Logged):
    logged.spoil(spends(logged, lambda row, at, stamp: row["known_at"] - WINDOW < at and stamp <= row["known_at"]))
    count, detail = logged.causes("amount_count_10m")["boundary"]
    assert (count > 50, detail) == (True, "as of `known_at`, not of the event's own time")


def test_a_pushed_state_of_later_than_an_event_is_told(logged: Logged):
    raised = pl.col("card").is_in(["c1", "c2"]) & (pl.col("feature.limit") < 100)
    before = min(at for _, at in logged.limits()[-3:]) - timedelta(minutes=1)
    count = logged.rows().filter(raised).height
    logged.spoil(lambda rows: rows.with_columns(time=pl.when(raised).then(before).otherwise("time")))
    assert count > 0
    assert logged.causes("limit") == {"boundary": (count, "as of `known_at`, not of the event's own time")}


def test_rows_that_were_counted_before_they_came_are_told(logged: Logged):
    logged.spoil(spends(logged, lambda row, at, _: row["time"] - WINDOW < at <= row["time"]))
    count, detail = logged.causes("amount_count_10m")["late row"]
    assert (count > 20, detail) == (True, "counted before they were known")


def test_what_came_after_an_event_was_taken_and_was_counted_is_told(logged: Logged):
    late = timedelta(hours=2)
    logged.spoil(lambda rows: rows.with_columns(logged_at=pl.col("known_at") + late))
    logged.spoil(spends(logged, lambda row, at, stamp: truly({**row, "known_at": row["known_at"] + late}, at, stamp)))
    assert set(logged.causes("amount_count_10m")) == {"late row"}


def test_a_log_whose_clocks_are_shifted_is_told(logged: Logged):
    hour = timedelta(hours=1)
    logged.spoil(lambda rows: rows.with_columns(pl.col(CLOCKS) - hour))
    count, detail = logged.causes("amount_count_10m")["shifted clock"]
    assert (count > 300, detail) == (True, "1h later")


def test_events_that_the_tables_do_not_know_are_left_out(logged: Logged):
    ahead = timedelta(days=1)
    logged.spoil(lambda rows: rows.with_columns(pl.col(CLOCKS) + ahead))
    left_out = logged.verified().left_out
    assert (
        left_out["spend@1: served later than the offline table knows: featurectl materialize"] == logged.rows().height
    )


def test_requests_that_an_older_log_has_stand_beside_events(logged: Logged):
    def as_requests(rows: pl.DataFrame) -> pl.DataFrame:
        return spends(logged, truly)(rows.with_columns(time="known_at"))

    rows, half = logged.rows(), ROUNDS * AT_ONCE // 2
    logged.write(as_requests(rows[:half]).drop("known_at", "prediction_id"), rows[half:])
    assert logged.causes("amount_count_10m") == logged.causes("amount_sum_10m") == {}
    assert logged.verified().replayed == rows.height


def test_tables_that_have_nothing_of_the_log_yet_are_not_compared(tmp_path: Path):
    swipes = PredictedSwipes(root=tmp_path)  # its history alone is in the tables
    swipes.send(9)
    swipes.run("stream", "run", "-q", "--once")

    def verified() -> tuple[int, dict[str, int]]:
        with swipes.workspace() as workspace:
            report = verify_logs(workspace, VerifyLogRequest(), Silent())["fraud"]
        assert (report.rows, report.mismatched) == (9, 0)
        return report.replayed, dict(report.left_out)

    assert verified() == (0, {"spend@1: served later than the offline table knows: featurectl materialize": 9})
    swipes.run("materialize", "-q")
    assert verified() == (9, {})
