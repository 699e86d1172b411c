"""Print the table of serving: `python -m benchmarks.serving [FOLDER] [RUNS] [WORK ...]`; 3 runs of every work by default.

With FEAST_PYTHON, the Python of an environment that has `feast[redis]`, Feast is a rival. Everything shares the machine:
Redis, the server and the client, which is wrk in closed loops where there is one. CPU microseconds a request, beside the rates, depend less on what else it does.
"""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

import redis

from benchmarks.serving import wrk
from benchmarks.serving.load import Result
from benchmarks.serving.processes import Running, feast, ours, read_json, result_of, start_load
from benchmarks.serving.repository import FEATURES, Size, run, write_repository
from benchmarks.serving.table import Line, render
from tests.servers.redis import started_redis

VIEWS: Final = ("v0", "v1", "spend")
SECONDS: Final = 4.0
BODIES: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the works share: the repository, Redis filled with it, Feast's repository where there is one.

    `asked` is how many of the users are asked for: Feast holds no others, for it writes slowly.
    """

    folder: Path
    online: str
    runs: int
    asked: int
    users: int
    python: str = ""
    seconds: float = SECONDS

    @property
    def repo(self) -> Path:
        """Our repository."""
        return self.folder / "repo"

    @property
    def feast_repo(self) -> Path:
        """Feast's."""
        return self.folder / "feast"


def reads(setting: Setting) -> Iterator[Line]:
    """Reads from Python, one after the other."""
    file = f"sqlite:///{setting.repo / 'online.db'}"
    for entities, goals in ((1, (0.2, 0.05)), (100, (1.0, 1.0))):
        told = (str(setting.asked), str(entities), str(setting.seconds / 2))
        mine = [sys.executable, "-m", "benchmarks.serving.reads", str(setting.repo), *told]
        theirs = [setting.python, _feast_program(), "read", str(setting.feast_repo), *told]
        calls = [partial(read_json, mine, setting.online), partial(read_json, mine, file)]
        calls += [partial(read_json, theirs)] if setting.python else []
        on_redis, on_file, *feasts = _in_turn(setting.runs, calls)
        rival = feasts[0]["p50"] if feasts else None
        work = f"read {entities} {'entity' if entities == 1 else 'entities'} x 15 from Python, p50"
        for store, found, goal in zip(("Redis", "SQLite"), (on_redis, on_file), goals, strict=True):
            beside = f"p99 {found['p99']:.3g} ms, {found['cpu_us']:.0f} us CPU"
            yield Line(work=f"{work}, {store}", ours=found["p50"], unit="ms", rival="Feast on Redis", theirs=rival,
                       most=goal, beside=beside)  # fmt: skip


def features(setting: Setting) -> Iterator[Line]:
    """`POST /v1/features` in the closed loop, with 1 worker and 2, against Feast's server with as many."""
    for workers in (1, 2):
        for connections in (8, 16):
            rival = None
            if setting.python:
                with feast(setting.python, setting.feast_repo, workers) as server:
                    rival = _loaded(setting, server, "/get-online-features", connections)
            with ours(setting.repo, setting.online, workers) as server:
                found = _loaded(setting, server, "/v1/features", connections)
            yield _rate(
                f"serve, {workers} worker{'s' * (workers > 1)}, {connections} connections", found, rival, times=10
            )


def predictions(setting: Setting) -> Iterator[Line]:
    """`POST /v1/predict` in the closed loop."""
    for workers in (1, 2):
        for connections in (8, 16):
            with ours(setting.repo, setting.online, workers) as server:
                found = _loaded(setting, server, "/v1/predict/m", connections)
            yield _rate(f"predict, 200 trees, {workers} worker{'s' * (workers > 1)}, {connections} connections", found,
                        None, least=5_000)  # fmt: skip


def pushes(setting: Setting) -> Iterator[Line]:
    """`POST /v1/predict` at 1,000 requests a second, whatever the server does, without a push and while 1 M rows are."""
    with ours(setting.repo, setting.online, 1) as server:
        for pushed in (False, True):
            found = [_open_loop(setting, server, pushed=pushed) for _ in range(setting.runs)]
            what = "while 1 M rows are pushed" if pushed else "no push"
            beside = _shown(found) + f"; {server.rss_mb():.0f} MB"
            for name, goal in (("p95", 50.0), ("p99", 100.0)):
                yield Line(work=f"predict at 1,000 a second, {what}, {name}", ours=median(getattr(r, name) for r in found),
                           unit="ms", most=goal, beside=beside)  # fmt: skip


def _open_loop(setting: Setting, server: Running, *, pushed: bool) -> Result:
    """Put on load at a fixed rate, for twice the time of other works; one push after the other goes on if `pushed`."""
    url = f"{server.url}/v1/predict/m"
    load = start_load(url, setting.folder / "v1-predict-m.jsonl", 32, 2 * setting.seconds, 1_000)
    while pushed and load.poll() is None:
        with redis.Redis.from_url(setting.online) as store:
            store.hdel("bench/dev", "push/bulk@1")  # nothing is known of a push: all rows go again
        run(setting.repo, setting.online, "push", "bulk")
    return result_of(load)


def memory(setting: Setting) -> Iterator[Line]:
    """What the rows of the three views cost in Redis, and what a server holds."""
    with started_redis() as online, redis.Redis.from_url(online) as store:
        before = store.info("memory")["used_memory"]
        run(setting.repo, online, "push", *VIEWS)
        mine = (store.info("memory")["used_memory"] - before) / setting.users
        rss = store.info("memory")["used_memory_rss"] / 1e6
    theirs = None
    if setting.python:
        with started_redis() as online, redis.Redis.from_url(online) as store:
            before = store.info("memory")["used_memory"]
            _write_feast(setting, online, setting.folder / "feast-memory")
            theirs = (store.info("memory")["used_memory"] - before) / setting.asked
    yield Line(work="memory of Redis, an entity, 15 features in 3 views", ours=mine, unit="B", rival="Feast",
               theirs=theirs, most=400, beside=f"{rss:.0f} MB for {setting.users:,} entities")  # fmt: skip


WORKS: Final = {w.__name__: w for w in (reads, features, predictions, pushes, memory)}


def _loaded(setting: Setting, server: Running, path: str, connections: int) -> tuple[list[Result], str]:
    """Return what came of several runs, and CPU and memory of the server."""
    body = setting.folder / (path.strip("/").replace("/", "-") + ".jsonl")
    results, cpus = [], []
    for _ in range(setting.runs):
        before = server.cpu_s()
        results.append(_closed_loop(server.url + path, body, connections, setting.seconds))
        share = setting.seconds / (setting.seconds + 1)  # of the seconds of the load, those that are counted
        cpus.append(1e6 * (server.cpu_s() - before) * share / results[-1].requests)
    return results, f"{median(cpus):.0f} us CPU a request, {server.rss_mb():.0f} MB"


def _closed_loop(url: str, body: Path, connections: int, seconds: float) -> Result:
    if wrk.is_installed():
        return wrk.put_load(url, body, connections, seconds)
    return result_of(start_load(url, body, connections, seconds))


def _rate(
    work: str,
    found: tuple[list[Result], str],
    rival: tuple[list[Result], str] | None,
    *,
    least: float | None = None,
    times: float | None = None,
) -> Line:
    """Return the line of a closed loop."""
    beside = f"{_shown(found[0])}; {found[1]}"
    beside += f"; Feast: {_shown(rival[0])}; {rival[1]}" if rival else ""
    theirs = median(r.per_second for r in rival[0]) if rival else None
    return Line(work=work, ours=median(r.per_second for r in found[0]), unit="req/s", least=least, times=times,
                rival="Feast's server" if times else "-", theirs=theirs, beside=beside)  # fmt: skip


def _shown(results: Sequence[Result]) -> str:
    names = (("p50", "p50"), ("p95", "p95"), ("p99", "p99"), ("p999", "p99.9"), ("max", "max"))
    shown = ", ".join(f"{word} {median(getattr(r, name) for r in results):.3g}" for name, word in names)
    failed = sum(r.failed for r in results)
    return f"ms {shown}" + (f"; {failed:,} of {sum(r.requests for r in results):,} failed" if failed else "")


def _in_turn(runs: int, calls: Sequence[Callable[[], dict[str, float]]]) -> list[dict[str, float]]:
    """Return the medians of calls that are made one after the other, several times over."""
    taken: list[list[dict[str, float]]] = [[] for _ in calls]
    for _ in range(runs):
        for call, found in zip(calls, taken, strict=True):
            found.append(call())
    return [{name: median(run[name] for run in found) for name in found[0]} for found in taken]


def _feast_program() -> str:
    return str(Path(__file__).with_name("feast_serving.py"))


def _write_feast(setting: Setting, online: str, repo: Path) -> None:
    """Write the features of the users that are asked for, into a new repository of Feast."""
    shutil.rmtree(repo, ignore_errors=True)
    place = online.removeprefix("redis://").partition("/")[0]
    words = ["write", str(setting.repo / "data"), str(repo), place, str(setting.asked)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([setting.python, _feast_program(), *words], env=environ, stdout=sys.stderr, check=True)


def write_bodies(folder: Path, asked: int) -> None:
    """Write what is sent to each route, a request a line, each of another user."""
    chance = random.Random(3)
    users = [chance.randrange(asked) for _ in range(BODIES)]
    bodies = {
        "v1-features": [{"features": FEATURES, "entities": {"user": [user]}} for user in users],
        "get-online-features": [{"features": FEATURES, "entities": {"user": [user]}} for user in users],
        "v1-predict-m": [{"rows": [{"user": user}]} for user in users],
    }
    for name, documents in bodies.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, documents)))


def main(arguments: list[str], size: Size = Size(), seconds: float = SECONDS) -> list[Line]:
    """Print the lines of the works as they are done, then the machine and the versions."""
    folder = Path(arguments[0] if arguments else "benchmark-data/serving").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    runs = int(arguments[1]) if len(arguments) > 1 else 3
    write_repository(folder / "repo", size)
    lines: list[Line] = []
    with started_redis() as online:
        asked = min(BODIES, size.users)
        setting = Setting(folder=folder, online=online, runs=runs, asked=asked, users=size.users, seconds=seconds,
                          python=os.environ.get("FEAST_PYTHON", ""))  # fmt: skip
        write_bodies(folder, asked)
        run(setting.repo, online, "push", *VIEWS)
        if setting.python:
            _write_feast(setting, online, setting.feast_repo)
        for name in arguments[2:] or WORKS:
            for line in WORKS[name](setting):
                sys.stderr.write(f"{line.cells()}\n")
                lines.append(line)
    libraries = ", ".join(f"{n} {version(n)}" for n in ("redis", "uvicorn", "starlette", "uvloop", "onnxruntime"))
    sys.stdout.write(f"{render(lines)}\n\n{os.cpu_count()} cores, {platform.machine()}, Python "
                     f"{platform.python_version()}, {libraries}; medians of {runs} runs.\n")  # fmt: skip
    return lines


if __name__ == "__main__":
    main(sys.argv[1:])
