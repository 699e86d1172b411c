"""Does a model see the same at training as at serving, where its events come late, repeated and out of order?

python -m benchmarks.on_events_proof [--events N] [--seconds S] [--store redis|sqlite]

A real repository whose model predicts the events of a stream (`on_events`), by views of the card (as the partitions are
keyed) and of the shop (as they are not), and a state; `featurectl stream run --workers 2` as a process, four
partitions. Events are sent at an even rate: 8 % of them late by up to two hours, 2 % sent a second time, 1 % no events.
When all are predicted, `materialize` makes the tables, and a training set is asked about the same events, as the log of
the stream has them. Each feature of each prediction in the prediction log is compared with it as of the `known_at` of
the log; as of the event's stamp, as training has it, which is the same but for predictions that were made before all
of their stamp could be read; and without `known_at`, as if an event were known when it happens.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl

import featurectl
from featurectl.predicting.predictions import prediction_id
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.faults import NoTopicError
from featurectl.workspace.open import open_workspace
from tests.servers.redis import redis_server

PROJECT = """project: proof
environments:
  dev:
    registry: "sqlite:///r.db"
    offline: off
    online: "ONLINE"
    streams: "STREAMS"
    prediction_log: {sample: 1.0}
"""
COLUMNS = "columns: {swipe: int64, card: string, shop: string, amount: float64, cents: int64, at: timestamp}"
OBJECTS = f"""entities: [{{name: card, keys: {{card: string}}}}, {{name: shop, keys: {{shop: string}}}}]
sources:
  - name: swipes
    stream: {{topic: swipes, key: [card]}}
    history: before
    {COLUMNS}
    event_time: at
    dedup_key: [swipe]
  - name: before
    path: before.csv
    {COLUMNS}
    event_time: at
    dedup_key: [swipe]
feature_views:
  - name: spend
    entity: card
    source: swipes
    aggregates:
      - {{op: count, windows: [1m, 1h]}}
      - {{column: cents, op: [sum, min], windows: [10m, 1h]}}
      - {{column: amount, op: [sum, mean, max, median], windows: [1h]}}
      - {{column: shop, op: [count_distinct], windows: [10m]}}
  - name: takings
    entity: shop
    source: swipes
    closed: right
    aggregates:
      - {{op: count, windows: [1m, 10m]}}
      - {{column: cents, op: [sum, max], windows: [10m]}}
      - {{column: amount, op: [sum, mean], windows: [10m]}}
  - {{name: newest, entity: card, source: swipes, ttl: 30m, features: [amount, cents]}}
models:
  - name: fraud
    spine: {{source: swipes, time: at, known_at: available_at, label: {{name: odd, expr: swipe % 2 = 1}}}}
    features:
      - {{view: spend, features: "*", prefix: spend_}}
      - {{view: takings, features: "*", prefix: takings_}}
      - {{view: newest, features: "*", prefix: newest_}}
      - {{request: {{amount: float64}}}}
    on_events: {{to: {{topic: scores}}, max_age: 3h}}
    trainer: {{estimator: sklearn.ensemble.HistGradientBoostingClassifier, params: {{max_iter: 5}}}}
"""
FEATURES = ["spend:* as spend_", "takings:* as takings_", "newest:* as newest_"]
VIEWS = ("spend", "takings", "newest")
CARDS, SHOPS, HISTORY, AT_ONCE = 300, 40, 2_000, 20
ROUNDED = 1e-9  # that sums and means of floats may differ by, relatively
LEAST = 1e-6  # of terms of 1e4 that cancel out


@dataclass(frozen=True, kw_only=True)
class Differences:
    """Of the values of predictions: how many are equal to the bit, and but for rounding; how many others by view.

    `predictions` says by view of how many predictions any value is another one, `any_view` of how many at all.
    """

    compared: int
    exact: int
    rounded: int
    by_view: Mapping[str, int]
    predictions: Mapping[str, int]
    any_view: int

    @property
    def differ(self) -> int:
        """How many values are others."""
        return sum(self.by_view.values())


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What came of it: of events that were logged, of how many a prediction is missing, and how values compare.

    `predicted` events have `logged` rows in the prediction log: one that was predicted again has several.
    `early` predictions were made as of an instant before the stamp of their event. `off_clock` are predictions whose
    instants are not what the contract says: `known_at` at most the stamp, `time` the lesser of that and the event's.
    """

    sent: Mapping[str, int]
    predicted: int
    logged: int
    late: int
    missing: int
    early: int
    off_clock: int
    as_logged: Differences
    as_stamped: Differences
    early_as_stamped: Differences
    without: Differences
    latency_ms: tuple[float, float]


def swipes(random: Random, number: int, at: datetime) -> dict[str, object]:
    return {
        "swipe": number,
        "card": f"c{int(CARDS * random.random() ** 2)}",
        "shop": f"s{random.randrange(SHOPS)}",
        "amount": random.choice([0.1, 1e-9, random.gauss(0, 1e4), None]),
        "cents": random.randrange(-(2**40), 2**40),
        "at": at.isoformat(),
    }


def messages(count: int, kinds: dict[str, int]) -> Iterator[tuple[bytes, bytes]]:
    """Give the messages to send, each with the event's time as of when it is asked for."""
    random, number, before = Random(1), 0, (b"", b"")
    for _ in range(count):
        kind = random.choices(["plain", "late", "repeated", "bad"], [89, 8, 2, 1])[0]
        kind = "plain" if kind == "repeated" and not number else kind
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind in ("plain", "late"):
            number += 1
            late_s = random.uniform(1, 7_200) if kind == "late" else random.uniform(-1, 2)
            event = swipes(random, number, datetime.now(UTC) - timedelta(seconds=late_s))
            before = str(event["card"]).encode(), json.dumps(event).encode()
        yield (b"bad", b"{") if kind == "bad" else before


def send(url: str, count: int, seconds: float) -> dict[str, int]:
    """Send so many events at an even rate."""
    kinds: dict[str, int] = {}
    begin_s, every = time.monotonic(), messages(count, kinds)
    with closing(open_topics(url)) as broker, closing(broker.open_writer("swipes")) as writer:
        for first in range(0, count, AT_ONCE):
            time.sleep(max(0.0, begin_s + first * seconds / count - time.monotonic()))
            writer.send([next(every) for _ in range(min(AT_ONCE, count - first))])
            writer.flush()
            if not first:
                wait_for_predictions(url, 1)
                begin_s = time.monotonic()
    return kinds


def wait_for_predictions(url: str, count: int) -> None:
    """Wait until so many predictions are in their topic, or for two minutes."""
    until_s, found = time.monotonic() + 120, 0
    with closing(open_topics(url)) as broker:
        while found < count and time.monotonic() < until_s:
            time.sleep(0.1)
            with suppress(NoTopicError):  # it is made with the first of them
                found = sum(of.end for of in broker.watermarks("scores").values())


def run(root: Path, *words: str) -> None:
    subprocess.run(command(root, *words), check=True, stdout=subprocess.DEVNULL)


def command(root: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "featurectl", *words, "-C", str(root)]


def prepare(root: Path, online: str, streams: str) -> None:
    """Make the repository, with a model that is trained on its history."""
    (root / "featurectl.yaml").write_text(PROJECT.replace("ONLINE", online).replace("STREAMS", streams))
    (root / "objects.yaml").write_text(OBJECTS)
    random, begin = Random(2), datetime.now(UTC) - timedelta(hours=3)
    rows = [swipes(random, 10**9 + n, begin + timedelta(seconds=5 * n)) for n in range(HISTORY)]
    pl.DataFrame(rows).write_csv(root / "before.csv")
    for words in (["apply", "--auto-approve", "-q"], ["materialize", "-q"], ["train", "fraud", "-q"]):
        run(root, *words)
    with closing(open_topics(streams)) as broker:
        broker.create("swipes", 4)


def prove(root: Path, streams: str, events: int, seconds: float) -> Proof:
    """Have events predicted by two workers, and compare what the model saw with training sets.

    Raises:
        RuntimeError: the workers have failed.
    """
    with (root / "worker.log").open("wb") as told:
        worker = subprocess.Popen(command(root, "stream", "run", "--workers", "2"), stderr=told, stdout=told)
        try:
            sent = send(streams, events, seconds)
            wait_for_predictions(streams, sum(sent.values()) - sent.get("bad", 0))
        finally:
            worker.terminate()
            code = worker.wait(120)
    if code:
        raise RuntimeError((root / "worker.log").read_text()[-3_000:])
    run(root, "stream", "run", "--once", "-q")  # what the workers had not come to
    run(root, "materialize", "-q")
    return _compared(root, sent)


def _logged_events(root: Path) -> pl.DataFrame:
    """Return the events that the log has, by the id of their prediction; what was no event has no time."""
    with open_workspace(root, None, None, "unread") as workspace:
        log = workspace.event_log(workspace.repo.sources["swipes"])
        names = ["card", "shop", "at", "_available_at", "_partition", "_offset"]
        rows = pl.concat(frame.select(names) for frame in log.read_rows(log.open(), names)).drop_nulls("at")
    ids = [prediction_id("fraud", "swipes", name, offset) for name, offset in rows.select(names[-2:]).iter_rows()]
    return rows.with_columns(pl.Series("prediction_id", ids)).rename({"_available_at": "stamp", "at": "happened"})


def _compared(root: Path, sent: Mapping[str, int]) -> Proof:
    files = [*(root / "off/proof/predictions/dev/fraud/v1").rglob("*.parquet")]
    log, events = pl.concat(pl.read_parquet(file) for file in files), _logged_events(root)
    found = log.select("prediction_id", "time", "known_at", "latency_ms", "^feature\\..*$").join(
        events, "prediction_id", maintain_order="left"
    )
    assert found.height == log.height, "a prediction of what is no event"
    instants = pl.min_horizontal("happened", "known_at")
    off_clock = found.filter((pl.col("known_at") > pl.col("stamp")) | (pl.col("time") != instants))
    is_early = pl.col("known_at") < pl.col("stamp")
    latency = found["latency_ms"].sort()
    return Proof(
        sent=dict(sent),
        predicted=found["prediction_id"].n_unique(),
        logged=found.height,
        late=found.filter(pl.col("stamp") - pl.col("happened") > timedelta(seconds=1)).height,
        missing=events.join(found, "prediction_id", how="anti").height,
        early=found.filter(is_early).height,
        off_clock=off_clock.height,
        as_logged=_differences(root, found, "known_at"),
        as_stamped=_differences(root, found.filter(~is_early), "stamp"),
        early_as_stamped=_differences(root, found.filter(is_early), "stamp"),
        without=_differences(root, found, None),
        latency_ms=(latency[len(latency) // 2], latency[len(latency) * 99 // 100]),
    )


def _differences(root: Path, found: pl.DataFrame, known: str | None) -> Differences:
    project, spine = featurectl.open_project(root), found.select("card", "shop", "happened", "stamp", "known_at")
    with warnings.catch_warnings(action="ignore"):  # of events that senders' clocks were ahead of
        truth = project.training_set(features=FEATURES, spine=spine, time="happened", known_at=known).rows
    names = [name for name in truth.columns if name.partition("_")[0] in VIEWS]
    exact = rounded = 0
    wrong: dict[str, pl.Series] = {}
    for name in names:
        read, true = found[f"feature.{name}"], truth[name]
        equal = read.eq_missing(true.cast(read.dtype, strict=True))
        close = equal
        if "amount_sum" in name or "amount_mean" in name:
            close = equal | ((read - true).abs() <= (true.abs() * ROUNDED).clip(lower_bound=LEAST)).fill_null(False)  # noqa: FBT003
        exact, rounded = exact + int(equal.sum()), rounded + int((close & ~equal).sum())
        wrong[name] = ~close
    marks = pl.DataFrame(wrong)
    views = {view: pl.any_horizontal(f"^{view}_.*$") for view in VIEWS}
    return Differences(
        compared=len(names) * found.height,
        exact=exact,
        rounded=rounded,
        by_view={view: sum(int(marks[name].sum()) for name in names if name.startswith(f"{view}_")) for view in VIEWS},
        predictions={view: int(marks.select(any_.sum()).item()) for view, any_ in views.items()},
        any_view=int(marks.select(pl.any_horizontal(pl.all()).sum()).item()),
    )


def _print(what: str, found: Differences, predictions: int) -> None:
    if not predictions:
        return
    shares = ", ".join(f"{view} {count / predictions:.1%}" for view, count in found.predictions.items())
    print(
        f"{what}: {found.compared:,} values, {found.exact:,} equal to the last bit, {found.rounded:,} but for rounding, "
        f"{found.differ:,} differ; of predictions {found.any_view / predictions:.1%} ({shares})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=21_000)
    parser.add_argument("--seconds", type=float, default=70)
    parser.add_argument("--store", choices=["redis", "sqlite"], default="redis")
    options = parser.parse_args()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if options.store == "sqlite":
            online, streams = "sqlite:///o.db", f"sqlite:///{root / 's.db'}"
        else:
            online = streams = stack.enter_context(redis_server()).url
        prepare(root, online, streams)
        proof = prove(root, streams, options.events, options.seconds)
    print(f"sent {dict(proof.sent)}; {proof.predicted:,} events predicted, {proof.late:,} of them late, ", end="")
    print(f"{proof.missing} without a prediction, {proof.off_clock} at other instants than they should be")
    print(f"{proof.early:,} scored as of an instant before their stamp", end="; ")
    print(f"from event to prediction p50 {proof.latency_ms[0]:.0f} ms, p99 {proof.latency_ms[1]:.0f} ms")
    _print("as of known_at of the log", proof.as_logged, proof.logged)
    punctual = proof.logged - proof.early
    _print("as of the stamp, as training has it, all but the early ones", proof.as_stamped, punctual)
    _print("as of the stamp, the early ones", proof.early_as_stamped, proof.early)
    _print("without known_at", proof.without, proof.logged)


if __name__ == "__main__":
    main()
