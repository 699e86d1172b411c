"""How fast a push fills Redis from the offline table: against `redis-cli --pipe` and against Feast's materialize.

python -m benchmarks.push [ROWS] [FEAST_ROWS]

A view of 15 features (6 float64 of which one has nulls, 4 int64, 2 string, 2 bool, a timestamp), a row an entity, is
pushed three times as a first push and three times again an hour later, when every row replaces one. `redis-cli --pipe`
sends files made before: the very commands of the push, and one plain HSET a row with the same keys and rows; neither
computes or packs anything. Feast needs an environment with `feast[duckdb,redis]` (FEAST_PYTHON names its Python) and
gets fewer rows, as it takes minutes. Each figure is the median of three, all turn by turn in one run; beside it
stand the microseconds of processor time a row. What an entity takes in Redis is told at the end.
"""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import redis

from featurectl.offline.base import Coverage
from featurectl.offline.delta import DeltaStore
from featurectl.offline.rows import FrameRows
from featurectl.online.base import Origin, Writing
from featurectl.online.base_backend import PackedWriting
from featurectl.online.packed_store import newer_by
from featurectl.online.encode.rows import INSTANTS, encode_chunks
from featurectl.online.redis.claim import claim_rows
from featurectl.online.redis.store import RedisStore
from featurectl.online.redis.trips import packed
from featurectl.online.redis.wire import batch_of
from featurectl.online.sqlite.store import SqliteStore
from featurectl.online.row_places import online_view
from featurectl.engines.all_engines import open_local_engine
from featurectl.operations.push import PushRequest, push_view, values_at
from featurectl.language.definitions.entity import Entity
from tests.online.views import latest, state_view
from tests.servers.redis import started_redis

ROUNDS = 3
NOW = datetime(2026, 11, 25, tzinfo=UTC)
UTC_US = pl.Datetime("us", "UTC")
FLOATS, INTS = [f"f{i}" for i in range(6)], [f"i{i}" for i in range(4)]
TYPES = {
    **dict.fromkeys(FLOATS, "float64"),
    **dict.fromkeys(INTS, "int64"),
    **dict.fromkeys(["s0", "s1"], "string"),
    **dict.fromkeys(["b0", "b1"], "bool"),
    "last_seen": "timestamp",
}
ENTITY = Entity(name="user", keys={"user": "int64"})
VIEW = state_view([latest(name, dtype) for name, dtype in TYPES.items()], entity=ENTITY)


GROUPS = {
    "mixed": (["f0", "f1", "i0", "s0", "b0"], ["f2", "f3", "i1", "s1", "b1"], ["f4", "f5", "i2", "i3", "last_seen"]),
    "float64 alone": (["f0", "f1", "f2", "f3", "f4"],) * 3,
}


@dataclass(frozen=True)
class Took:
    """Seconds gone by, of the client's processor time, and the peak of its memory."""

    seconds: float
    client_s: float
    peak_mb: float = 0.0


@dataclass(frozen=True)
class Run:
    """What so many rows took, of the server's processor time too, and bytes of the server an entity."""

    rows: int
    took: Took
    server_s: float
    each: float

    @property
    def rate(self) -> float:
        return self.rows / self.took.seconds


def connected(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=600)


def made_rows(count: int) -> pl.DataFrame:
    """Return the rows of the offline table, the same for the same count."""
    random = np.random.default_rng(7)
    plans, countries = ["premium", "basic", "trial-user", "enterprise"], ["FR", "US", "DE", "CN", "BR"]
    last = int(NOW.timestamp()) * 1_000_000
    instants = {name: last - random.integers(0, 10**12, count) for name in ("last_seen", "event_time")}
    columns = {
        "user": np.arange(count),
        **{name: random.normal(100, 30, count) for name in FLOATS},
        **{name: random.integers(0, 100_000, count) for name in INTS},
        "s0": np.array(plans)[random.integers(0, 4, count)],
        "s1": np.array(countries)[random.integers(0, 5, count)],
        **{name: random.random(count) < 0.5 for name in ("b0", "b1")},
    }
    frame = pl.DataFrame(columns).with_columns(pl.Series(n, v).cast(UTC_US) for n, v in instants.items())
    return frame.with_columns(
        pl.when(pl.col("i3") % 50 != 0).then("f5").alias("f5"),
        available_at="event_time",
        tie_order=pl.int_range(pl.len()),
    )


def table_in(folder: Path):
    return DeltaStore(str(folder), "bench").table("profile", 1, ENTITY.keys)


def write_table(folder: Path, rows: pl.DataFrame) -> None:
    """Put rows into the offline table of a folder."""
    newest = rows["event_time"].max()
    table_in(folder).append(FrameRows(rows, ["user"]), Coverage(watermark=newest, newest_event=newest))


def request_of(folder: Path, store, hours: float) -> PushRequest:
    now = NOW + timedelta(hours=hours)
    return PushRequest(
        engine=open_local_engine(),
        view=VIEW,
        version=1,
        table=table_in(folder),
        store=store,
        project="p",
        env="dev",
        now=now,
    )


def push(folder: Path, place: str, hours: float) -> None:
    """Push in this process, and print the seconds, those of its processor time, and the peak of its memory in MB."""
    begin, worked = time.perf_counter(), time.process_time()
    store = RedisStore(place) if place.startswith("redis://") else SqliteStore(Path(place))
    push_view(request_of(folder, store, hours))
    seconds, worked = time.perf_counter() - begin, time.process_time() - worked
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(seconds, worked, int(peak.split()[1]) / 1024)


def write_files(folder: Path, url: str) -> tuple[Path, Path]:
    """Write what a first push sends, and the same rows as plain HSETs."""
    own, plain = folder / "own.resp", folder / "plain.resp"
    store, of = RedisStore(url), online_view(VIEW, 1, "p", "dev")
    store.prepare(of)
    rows = table_in(folder).read()
    values = values_at(open_local_engine(), VIEW, rows, rows.select("user"), NOW)
    with connected(url) as client, own.open("wb") as commands, plain.open("wb") as hsets:
        how = Writing(origin=Origin(at=NOW, table_version=0, rebuild_id=""))
        call = claim_rows(client, of, PackedWriting(order=newer_by(of, how), how=how))
        for chunk in encode_chunks(of, values, 7, is_compact=True):
            commands.write(batch_of(call, chunk).data)
            pairs = zip(chunk.keys.parts(), chunk.rows().parts(), strict=True)
            field = call.arguments[0]
            hsets.write(packed([("HSET", call.before + key + call.after, field, row) for key, row in pairs]))
    store.close()
    return own, plain


def piped(url: str, file: Path) -> Took:
    """Return what `redis-cli --pipe` takes for a file."""
    port = url.rsplit(":", 1)[1].split("/")[0]
    begin, before = time.perf_counter(), children_s()
    with file.open("rb") as commands:
        done = subprocess.run(["redis-cli", "-p", port, "--pipe"], stdin=commands, capture_output=True, check=True)
    seconds = time.perf_counter() - begin
    assert b"errors: 0" in done.stdout, done.stdout
    return Took(seconds, children_s() - before)


def ours(folder: Path, place: str, hours: float) -> Took:
    words = [sys.executable, "-m", "benchmarks.push", "push", str(folder), place, str(hours)]
    told = subprocess.run(words, capture_output=True, check=True, text=True).stdout.split()
    return Took(*map(float, told))


def feast(folder: Path, url: str, rows: int) -> Took:
    """Return what Feast's materialize takes."""
    port = url.rsplit(":", 1)[1].split("/")[0]
    script = str(Path(__file__).with_name("feast_push.py"))
    words = [os.environ["FEAST_PYTHON"], "-W", "ignore", script, str(folder), port]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = done.stdout.split()[-3:]
    with connected(url) as client:
        assert client.dbsize() == rows
    return Took(*map(float, told))


def children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def used(url: str) -> int:
    with connected(url) as client:
        return int(client.info("memory")["used_memory"])


def rounds(folder: Path, url: str, rows: int, feast_rows: int) -> Iterator[tuple[str, Run]]:
    """Yield what was run and what it took, turn by turn."""
    own, plain = write_files(folder, url)

    def run(take: Callable[[], Took], count: int = rows, *, clean: bool = False) -> Run:
        with connected(url) as client:
            if clean:
                client.flushall()
            before, worked = used(url), server_s(client)
            took = take()
            return Run(count, took, server_s(client) - worked, (used(url) - before) / count if clean else 0.0)

    for number in range(ROUNDS):
        for name, file in (("redis-cli --pipe, plain HSETs", plain), ("redis-cli --pipe, our own commands", own)):
            yield name, run(lambda file=file: piped(url, file), clean=True)
            yield f"{name}, again", run(lambda file=file: piped(url, file))
        yield "push", run(lambda: ours(folder, url, 0), clean=True)
        with connected(url) as client:
            client.hset("p/dev", "push/profile@1", older_schema(client.hget("p/dev", "push/profile@1")))
        yield "push, again", run(lambda: ours(folder, url, 1))
        yield "push to SQLite", run(lambda number=number: ours(folder, str(folder / f"online-{number}.db"), 0))
        if feast_rows and "FEAST_PYTHON" in os.environ:
            yield "feast materialize", run(lambda: feast(folder, url, feast_rows), feast_rows, clean=True)


def server_s(client: redis.Redis) -> float:
    """Return the processor time that a server has used."""
    told = client.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


def memory(count: int = 200_000) -> None:
    """Print what an entity takes in Redis: 15 features in 3 views, with an expiry."""
    rows = made_rows(count).with_columns(pl.lit(NOW, UTC_US).alias("computed_at"))
    for name, groups in GROUPS.items():
        for limit in (64, 512):
            with started_redis("--hash-max-listpack-value", str(limit)) as url, connected(url) as client:
                before, store = used(url), RedisStore(url)
                for view, features in zip(("user_profile", "user_txn", "user_web"), groups, strict=True):
                    view = replace(VIEW, name=view, features=tuple(f for f in VIEW.features if f.name in features))
                    of, columns = online_view(view, 1, "shop", "prod"), rows.select("user", *INSTANTS, *features)
                    store.write_all(of, [columns], Writing(kept_until=datetime.now(UTC) + timedelta(days=30)))
                each, usage = (used(url) - before) / count, client.memory_usage("shop/prod:{i5:77777}")
                print(
                    f"15 features in 3 views, {name}, hash-max-listpack-value {limit}: {each:.0f} B an entity", end=""
                )
                print(f" of used_memory, MEMORY USAGE {usage} B")
                store.close()


def older_schema(record: bytes) -> bytes:
    """Return the record of a push as if the features had been others: the next push sends every row."""
    return re.sub(rb'"schema":"[0-9a-f]{8}', b'"schema":"' + b"0" * 8, record)


def main(rows: int, feast_rows: int) -> None:
    """Make the data, take turns, print a table."""
    found: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory(prefix="featurectl-push-") as name, started_redis() as url:
        folder = Path(name)
        made = made_rows(rows)
        write_table(folder, made)
        made.head(feast_rows).with_columns(created="event_time").drop("available_at", "tie_order").write_parquet(
            folder / "rows.parquet"
        )
        del made
        for what, run in rounds(folder, url, rows, feast_rows):
            found.setdefault(what, []).append(run)
            print(f"{what}: {run.rate:,.0f} rows/s", file=sys.stderr)
    best = {what: statistics.median(run.rate for run in runs) for what, runs in found.items()}
    print(f"{'':41} {'rows/s':>9} {'client us':>9} {'server us':>9} {'peak MB':>8} {'B an entity':>12}")
    for what, runs in found.items():
        client = statistics.median(run.took.client_s / run.rows for run in runs) * 1e6
        server = statistics.median(run.server_s / run.rows for run in runs) * 1e6
        peak, each = max(run.took.peak_mb for run in runs), max(run.each for run in runs)
        print(f"{what:41} {best[what]:9,.0f} {client:9.2f} {server:9.2f} {peak:8,.0f} {each:12,.0f}")
    for mine, other in (
        ("push", "redis-cli --pipe, plain HSETs"),
        ("push", "redis-cli --pipe, our own commands"),
        ("push, again", "redis-cli --pipe, plain HSETs, again"),
        ("push", "feast materialize"),
    ):
        if other in best:
            print(f"{mine} / {other}: {best[mine] / best[other]:.2f}")
    memory()


if __name__ == "__main__":
    if sys.argv[1:2] == ["push"]:
        push(Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
    else:
        numbers = [int(word) for word in sys.argv[1:]]
        main(*(numbers + [1_000_000, 100_000][len(numbers) :]))
