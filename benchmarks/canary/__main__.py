"""Canaries on the flights under load: `python -m benchmarks.canary [DIR] [CASE ...]`; DIR is made anew.

The template's model with four challengers: one that is good, one that is late, one that fails, one whose scores are
shifted. `featurectl serve` with two processes over a real Redis, clients that never stop, 10,000 entities. Of each
canary: what it came to, after how many seconds, what was lost. CASE: share, good, late, failing, shifted.
"""

import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from benchmarks.canary.clients import Clients
from benchmarks.canary.flights import CANARY, CHAMPION, MODEL, VERSIONS, build, rows_of, run, write_flights, write_model
from benchmarks.pit.measure import ROOT
from benchmarks.serving.processes import Running, started
from featurectl.render.canary import run_json
from featurectl.workspace.open import open_workspace
from tests.servers.redis import free_port, started_redis

CASES = ("share", "late", "failing", "shifted", "good")  # the last one is another champion
ENDS = {"late": "rolled_back", "failing": "rolled_back", "shifted": "rolled_back", "good": "promoted"}
SHARES = (5.0, 20.0)
RATE = 400.0
LIMIT_S = 240.0
OPTIONS = "--workers 2 --reload 1 --judge 1 --allow-pickle --timeout 5 --store-timeout 2".split()


def main() -> int:
    """Build the flights, run the cases, print what came of each; 0 when all of it is as it should be."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="canary-")).absolute() / "flights"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    cases = [case for case in CASES if case in sys.argv[2:] or not sys.argv[2:]]
    with started_redis() as online:
        os.environ["ONLINE"] = online
        write_flights(folder)
        build(folder, online, tuple(VERSIONS))
        with serving(folder, online) as server:
            rows = rows_of(folder, columns_of(server.url))
            with Clients(server.url, MODEL, rows) as clients:
                found = [line for case in cases for line in told(tried(case, folder, online, server.url, clients))]
    found += told([(not clients.lost, f"{clients.sent:,} requests sent, {len(clients.lost)} lost {clients.lost[:3]}")])
    return 0 if all(good for good, _ in found) else 1


def told(lines: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    """Print lines, each as it should be or NOT, and return them."""
    for good, text in lines:
        print(f"{'   ' if good else 'NOT'} {text}", flush=True)
    return lines


@contextmanager
def serving(folder: Path, online: str) -> Iterator[Running]:
    """`featurectl serve` with two processes."""
    port = free_port()
    command = [sys.executable, "-m", "featurectl", "serve", "-C", str(folder), "-q", "--port", str(port), *OPTIONS]
    environ = {"ONLINE": online, "PYTHONPATH": str(ROOT)}
    with started(command, port, environ, folder / "serve.log", until="/ready") as running:
        yield running


def tried(case: str, folder: Path, online: str, url: str, clients: Clients) -> list[tuple[bool, str]]:
    """Run a case, and return lines: whether it is as it should be, and what it is."""
    if case == "share":
        return [share(folder, online, url, clients, percent) for percent in SHARES]
    return [canary(case, folder, online, clients)]


def share(folder: Path, online: str, url: str, clients: Clients, percent: float) -> tuple[bool, str]:
    """Count the entities that a challenger answers, each asked at least twice of either process; then abort it."""
    write_model(folder, canary={**CANARY, "for": "9h"})
    run(folder, online, "apply", "--auto-approve")
    start(folder, online, VERSIONS["good"], "--percent", f"{percent:g}")
    wait_until(lambda: clients.last.get(VERSIONS["good"], 0) > 0)
    time.sleep(3)  # by then every process has looked at the registry
    clients.rate = 0.0
    clients.begin()
    wait_until(lambda: clients.asked() >= 2)
    with clients._lock:
        versions, processes = {place: set(found) for place, found in clients.versions.items()}, len(clients.processes)
        statuses = dict(clients.statuses)
    run(folder, online, "models", "canary", "abort", MODEL)
    write_model(folder)
    run(folder, online, "apply", "--auto-approve")
    split = sum(len(found) > 1 for found in versions.values())
    taken = sum(VERSIONS["good"] in found for found in versions.values()) / len(versions) * 100
    good = abs(taken - percent) < 1 and split == 0 and processes == 2 and set(statuses) == {200}
    told = f"share: asked {percent:g}%, {taken:.2f}% of {len(versions):,} entities; {split} saw two versions"
    return good, f"{told}; {processes} processes; answers {statuses}"


def canary(case: str, folder: Path, online: str, clients: Clients) -> tuple[bool, str]:
    """Run a canary to its end."""
    version = VERSIONS[case]
    clients.rate = RATE
    start(folder, online, version)
    clients.begin()
    wait_until(lambda: status(folder)["state"] != "running")
    ended = status(folder)
    gone, stays = (CHAMPION, version) if ended["state"] == "promoted" else (version, CHAMPION)
    time.sleep(3)  # every process has looked at the registry
    decided = datetime.fromisoformat(ended["decided_at"])
    seconds = (decided - datetime.fromisoformat(ended["started_at"])).total_seconds()
    after = max(clients.last.get(gone, 0) - decided.timestamp(), 0)
    late = max(clients.seconds)
    good = ended["state"] == ENDS[case] and set(clients.statuses) <= ({200, 422} if case == "failing" else {200})
    good = good and clients.last.get(stays, 0) > clients.last.get(gone, 0) and after < 3
    told = f"{case}: {ended['state']} after {seconds:.1f} s: {ended['reason']}"
    figures = ended["figures"]
    sides = ", ".join(
        f"{name} {side['requests']:,} requests, p99 {side['latency_p99_ms'] or 0:.1f} ms, {side['faults']} faults"
        for name, side in ((name, figures[name]) for name in ("champion", "challenger"))
    )
    told += f"\n        {sides}; PSI {figures['score_psi'] or 0:.3f}; last answer of version {gone} {after:.1f} s after that"
    return good, f"{told}; slowest answer {late:.2f} s; answers {dict(clients.statuses)}"


def start(folder: Path, online: str, version: int, *more: str) -> None:
    """Start a canary of a version."""
    run(folder, online, "models", "canary", "start", f"{MODEL}@{version}", "--allow-pickle", *more)


def status(folder: Path) -> dict:
    """Return the newest canary, as `models canary status -o json` would: a process for each look would be more load."""
    with open_workspace(folder, None, None, "unread") as workspace:
        return run_json(max(workspace.state().canaries, key=lambda run: run.number))


def columns_of(url: str) -> list[str]:
    """Return the columns that the model asks of a row."""
    with urllib.request.urlopen(f"{url}/v1/models", timeout=10) as answer:
        models = json.load(answer)["models"]
    return next(item["columns"] for item in models if item["model"] == MODEL)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit("it never became so")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
