"""The main job on a small shop, on a terminal of a width: what every command of the tree says to a person."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Final
from unittest.mock import patch

import typer

from featurectl.cli.all_commands import COMMANDS, build_app
from featurectl.cli.main import main
from tests.catalog.shop import build_shop, write_files
from tests.prepared import make_once
from tests.serving.process import running

CHANGED_OBJECTS: Mapping[str, str] = {
    "    gates: ": "    canary: {percent: 5, for: 30m, success: {error_rate_percent: 0.1}}\n    gates: ",
    "notify: [ops]": "notify: [file]",
    "source: orders, online: false,": "source: orders,",
}
LOGGED: Final = ("now: 2026-01-20T00:00:00Z", "now: 2026-01-20T00:00:00Z, prediction_log: {sample: 1.0}")
MORE_OBJECTS = """
notifiers: [{name: file, command: "tee -a told.jsonl"}]
alerts:
  - {name: stopped, when: "freshness > 3d", severity: critical, notify: [file], views: ["*"]}
sources:
  - name: visits
    path: visits.csv
    event_time: at
    columns: {customer: string, at: timestamp, pages: int64}
    freshness: {warn_after: 1d}
feature_views:
  - name: visits_of_a_customer
    entity: customer
    source: visits
    aggregates: [{op: count, windows: [1d]}]
tests:
  - name: an order counts once it is known
    view: spend
    rows: [{customer: a, day: 2026-01-01, ordered_at: 2026-01-01T10:00:00Z, status: paid, amount: 4}]
    spine: [{customer: a, time: 2026-01-02T00:00:00Z}]
    expect: [{count_7d: 1, per_order: 5}]
"""
STREAM_PROJECT = """project: cards
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", streams: "sqlite:///s.db"}
entities: [{name: card, keys: {card: string}}]
sources:
  - name: swipes
    stream: {topic: swipes, key: [card]}
    columns: {swipe: int64, card: string, amount: float64, at: timestamp}
    event_time: at
    dedup_key: [swipe]
feature_views:
  - {name: recent, entity: card, source: swipes, aggregates: [{op: count, windows: [1h]}]}
  - {name: latest, entity: card, source: swipes, features: [amount]}
"""
SWIPES = "".join(
    f'{{"swipe":{number},"card":"c{number % 2}","amount":{number}.5,"at":"2026-01-19T12:00:0{number}Z"}}\n'
    for number in range(6)
)
ENDED_ONCE_IT_SAYS: Mapping[str, str] = {"monitor run": "told file"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A command line, what it wrote to both streams, and to stdout alone, and its exit code."""

    line: str
    text: str
    out: str
    exit_code: int

    @property
    def command(self) -> str:
        """The name of the command."""
        return command_of(self.line)


def command_of(line: str) -> str:
    """Return the name of the command that a line begins with."""
    words = line.split()
    names = (" ".join(words[:count]) for count in range(len(words), 0, -1))
    return next(name for name in names if name in COMMANDS)


def names_of_the_tree() -> set[str]:
    """Return the names of the commands that the parser knows."""
    return set(_names(typer.main.get_command(build_app()), ""))


def _names(command: object, name: str) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name
        return
    for word, each in inner.items():
        yield from _names(each, f"{name} {word}".strip())


def replace_text(path: Path, old: str, new: str) -> None:
    """Write another text in the place of one of a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def write_changes() -> None:
    """Change a view of the shop and its model, and add objects of other kinds."""
    Path("more.yaml").write_text(MORE_OBJECTS)
    Path("visits.csv").write_text("customer,at,pages\nc1,2026-01-11T09:00:00Z,4\n")
    write_files(Path(), "amount >= 2")
    for old, new in CHANGED_OBJECTS.items():
        replace_text(Path("objects.yaml"), old, new)
    replace_text(Path("featurectl.yaml"), *LOGGED)


def add_orders() -> None:
    """Add two orders to the shop, one of them older than others that were read."""
    with Path("orders.csv").open("a") as orders:
        orders.write("c1,2026-01-12,2026-01-12T10:00:00Z,paid,50\nc2,2026-01-13,2026-01-13T10:00:00Z,open,5\n")


def remove_visits() -> None:
    """Take the file of a source away."""
    Path("visits.csv").unlink()


def lose_online_rows() -> None:
    """Remove the rows of a view from the online store, behind the back of all."""
    with contextlib.closing(sqlite3.connect("on.db")) as store, store:
        store.execute("delete from rows where view = (select max(id) from views where view = 'last_order')")


def write_streams() -> None:
    """Write a repository whose source is a stream beside the shop, and events of it; its clock is that of today."""
    folder = Path("../cards")
    folder.mkdir()
    project, objects = STREAM_PROJECT.split("entities:")
    (folder / "featurectl.yaml").write_text(project)
    (folder / "objects.yaml").write_text(f"entities:{objects}")
    (folder / "swipes.ndjson").write_text(SWIPES)


# In the order of the main job; a function is what happens before the next line.
Step = str | Callable[[], object]
JOB: tuple[Step, ...] = (
    "init ../new --template minimal",
    "version",
    "explain FC102",
    "schema --out schema.json",
    write_changes,
    "validate",
    "test",
    "plan",
    "apply --auto-approve --allow-breaking spend",
    "history",
    "materialize --dry-run",
    add_orders,
    "materialize",
    "push --full",
    "training-set big --out t.parquet",
    "train big",
    "models list",
    "models show big@2",
    "models diff big@1 big@2",
    "models canary start big@2 --percent 5",
    "models canary status big",
    "models canary abort big",
    "models canary start big@2 --percent 50",
    "models canary promote big",
    "models canary start big@2 --wait",
    "models rollback big",
    "models promote big@2",
    "models rollback big",
    "models export big --out exported",
    "models import big --file exported/model.txt",
    "models retire big@1 --dry-run",
    "models prune --keep 1",
    "score big --out s.parquet",
    "score big --out s.parquet --part 1/2",
    "score big --out s.parquet --part 2/2",
    "get spend customer=c1",
    "serve",
    "pipeline render --to cron",
    "pipeline render nightly --to cron --check",
    "deployment render --to kubernetes",
    "list",
    "list features",
    "show spend",
    "show spend:per_order",
    "show big",
    "show orders",
    "search spend",
    "lineage orders",
    "pipeline run nightly --only features",
    "pipeline list",
    "pipeline show nightly",
    "verify --store",
    lose_online_rows,
    "verify --store",
    remove_visits,
    "status",
    "status -v",
    "status --checks",
    "why spend",
    "why last_order customer=c1 day=2026-01-11",
    "monitor check --dry-run",
    "monitor run --every 1s",
    "monitor check",
    "monitor silence stopped --for 2h --reason upgrade",
    "monitor silence --list",
    "monitor test file",
    "monitor drift big --batch orders",
    "monitor export --textfile m.prom",
    "monitor rules --out featurectl.rules",
    "clean --dry-run",
    "erase customer customer=c1 --dry-run",
    "unlock 4f1c2a",
    write_streams,
    "apply --auto-approve -C ../cards",
    "stream send swipes ../cards/swipes.ndjson -C ../cards",
    "stream run --once -C ../cards",
    "stream status -C ../cards",
    "stream rebuild recent -C ../cards",
    "stream reset swipes -C ../cards",
)


def do_job(folder: Path, width: int) -> list[Said]:
    """Do it in a new folder, on a terminal of a width, and return what each command said."""
    folder.mkdir()
    with contextlib.chdir(folder), patch.dict(os.environ, {"COLUMNS": str(width), "FEATURECTL_ACTOR": "ana"}):
        make_once("shop of ana", folder, lambda: build_shop(folder))
        return list(do_steps(JOB))


def do_steps(steps: Sequence[Step], *options: str) -> Iterator[Said]:
    """Do steps of a job in this folder, with options that all commands have, and give what each said."""
    for step in steps:
        if callable(step):
            step()
        else:
            yield _say_served() if step == "serve" else say(" ".join([step, *options]))


def say(line: str) -> Said:
    """Run a command line; one that goes on for ever is told to end."""
    until = ENDED_ONCE_IT_SAYS.get(command_of(line))
    stream = io.StringIO() if until is None else _EndingStream(until)
    out = _Doubled(stream)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(stream), _ended_after_a_minute():
            code = main(line.split())
    finally:
        signal.signal(signal.SIGTERM, before)
    return Said(line=line, text=stream.getvalue(), out=out.getvalue(), exit_code=code)


@contextlib.contextmanager
def _ended_after_a_minute() -> Iterator[None]:
    """Tell a command that never says what it is to say to end."""
    timer = Timer(60, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Doubled(io.StringIO):
    """Writes to another stream, too."""

    def __init__(self, other: io.StringIO) -> None:
        super().__init__()
        self._other = other

    def write(self, text: str) -> int:
        self._other.write(text)
        return super().write(text)


class _EndingStream(io.StringIO):
    """Tells this process to end, as a service manager does, once a text was written to it."""

    def __init__(self, until: str) -> None:
        super().__init__()
        self._until = until

    def write(self, text: str) -> int:
        if self._until in text:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().write(text)


def _say_served() -> Said:
    with running(Path()) as server:
        port = server.url.rpartition(":")[2]
        code = server.stop()
    return Said(line="serve", text=server.log.read_text().replace(port, "8080"), out="", exit_code=code)


_HEX = "[0-9a-f]"
_STABLE: Mapping[str, str] = {  # what is not of the data, whose month is January
    r"(?!2026-01)20\d\d-\d\d-\d\d(.|\n +)\d\d:\d\d(:[\d.]+)?": r"2026-11-24\g<1>12:00",
    r"(?<=  )\d\d-\d\d \d\d:\d\d$": "11-24 12:00",
    r" +\d+(\.\d+)? m?s ago *": " 9 ms ago ",
    r"\d+\.\d+ s\b": "0.0 s",
    r"(?<=after )\d+ s\b": "0 s",  # of a stage, or of a run of stages
    r"(?<=succeeded)(  (?:1      )?)\d+ s ": r"\g<1>0 s ",
    r"(?<=succeeded)(  1      )\d+ s$": r"\g<1>0 s",
    r"(?<=running: )\d+ min left": "29 min left",
    r"\d+\.\d(?= kB)": "9.9",  # of tables and models, by the versions of libraries
    r"at most \d+ MB": "at most 100 MB",
    r"(?<= \[)\d+(?=\]: )": "1000",
    rf"\b{_HEX}+(?=(\.profile)?\.(txt|onnx|md|json) ?)": "0f",
    rf"\b(?={_HEX}*[a-f])(?={_HEX}*[0-9]){_HEX}{{6,}}\b": "0f",
    rf"\b{_HEX}{{8}}\b": "0f",
    r"\d+e-\d\d": "1e-17",
    r"\b\d+\.\d+\.\d+\b(?!\.)": "1.2.3",
    r"^libraries .*\n( {4,}.*\n)*": "libraries\n",
}


def stable(text: str) -> str:
    """Return a text in which what differs from run to run is always the same."""
    for pattern, constant in _STABLE.items():
        text = re.sub(pattern, constant, text, flags=re.MULTILINE)
    return text
