"""Run the commands that a page shows, one after the other, as its reader would."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from featurectl.cli.main import main
from featurectl.core.units import format_iso
from featurectl.online.stream_state.base import StreamSource
from featurectl.registry.locks import LEASE
from featurectl.streaming.lag import read_lag
from featurectl.streaming.session.applied_streams import applied_streams
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.workspace.open import open_workspace
from tests import web
from tests.docs.pages import Block, Command
from tests.servers.redis import free_port

# The main job on the flights, run once for all pages; a page may show the training set before the models or after.
JOB = (
    "init flights",
    "validate",
    "test",
    "plan",
    "apply --auto-approve",
    "materialize",
    "training-set late_arrival --out train.parquet",
    "train late_arrival_static",
    "train late_arrival",
    "score late_arrival --out scores.parquet",
    "models list",
)
LIMIT_S = 180  # a machine may be slow
AT_ANY_PLACE = ("training-set late_arrival --out train.parquet",)
_SECONDS = re.compile(r"\(\d+\.\d s\)")
_BEAT = re.compile(r".* \.\.\. \d+ s")  # a unit that takes ten seconds, as it may on a busy machine


@dataclass(frozen=True)
class Ran:
    """What a command printed, in order, and its exit code."""

    output: str
    exit_code: int


@dataclass
class Reader:
    """Someone who follows a page: a folder, an environment, and what was done to the flights before.

    `given` replaces the values of variables that a page exports: the addresses of its servers.
    """

    folder: Path
    job: Job | None  # None for a page that does not begin with the flights
    given: Mapping[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    recorded: dict[str, Ran] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    worker: subprocess.Popen[bytes] | None = None
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def follow(self, block: Block, page: str) -> None:
        """Do what a block says and hold what it shows to what is printed."""
        for keyword, value in block.notes:
            if keyword == "setup":
                self._set_up(value)
        if (name := block.note("file")) is not None:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        if block.language != "console" or block.note("not run") is not None:
            return
        commands = block.commands
        for command in commands:
            expected = int(block.note("exit") or 0) if command is commands[-1] else 0
            where = f"{page}:{block.line}: $ {command.text}"
            ran = self._asked(command, expected) if self._is_of_workers(command) else self.run(command.text)
            assert ran.exit_code == expected, f"{where}\nexit {ran.exit_code}, not {expected}\n{ran.output}"
            if command.shown:
                check_output(command, ran.output, where)

    def _is_of_workers(self, command: Command) -> bool:
        """Return whether a command asks how workers are that run beside the page, and changes nothing."""
        return self.worker is not None and command.text.startswith(
            ("curl ", "featurectl stream status", "featurectl get")
        )

    def _asked(self, command: Command, expected: int) -> Ran:
        """Ask until the answer is the one that is shown: what workers say may be so after a moment alone."""
        end = time.monotonic() + LIMIT_S
        while True:
            ran = self.run(command.text)
            is_shown = ran.exit_code == expected and is_output(command, ran.output)
            if is_shown or time.monotonic() >= end:
                return ran
            time.sleep(0.1)

    def run(self, text: str) -> Ran:
        """Run one command: featurectl in this process, `cd`, `export`, `unset` on the reader, the rest in a shell."""
        words = shlex.split(text)
        if words[0] == "cd":
            self.folder = self.folder / words[1]
            assert self.folder.is_dir(), text
            return Ran("", 0)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.environ[name] = self.given.get(name, value)
            return Ran("", 0)
        if words[0] == "unset":
            del self.environ[words[1]]
            return Ran("", 0)
        if words[:3] == ["featurectl", "stream", "run"] and words[-1] == "&":
            self._work(words[1:-1])
            return Ran("", 0)
        if words == ["kill", "%1"]:
            assert self.worker is not None
            self.worker.terminate()
            assert self.worker.wait(LIMIT_S) == 0
            self.worker = None
            return Ran("", 0)
        if words[0] == "featurectl" and words[-1] == "&":
            self._serve(words[1:-1])
            return Ran("", 0)
        if words[-1] == "&":
            self._begin(text.removesuffix("&"))
            return Ran("", 0)
        if words[0] == "featurectl" and not {"|", ">"} & {*words}:
            if (before := self._recorded(text.removeprefix("featurectl "))) is not None:
                return before
            return run_here(words[1:], self.folder, self.environ)
        return run_shell(self._on_ports(text), self.folder)

    def _on_ports(self, text: str) -> str:
        for shown, port in self.ports.items():
            text = text.replace(f"localhost:{shown}", f"127.0.0.1:{port}")
        return text

    def _begin(self, text: str) -> None:
        """Start a command beside the page, which ends with it."""
        process = subprocess.Popen(["sh", "-c", f"exec {self._on_ports(text)}"], cwd=self.folder, env=shell_environ())
        self.closing.callback(process.wait)
        self.closing.callback(process.terminate)

    def _work(self, words: list[str]) -> None:
        """Start workers beside the page; they listen on a free port in place of the one that is shown, if any."""
        port = None
        if "--port" in words:
            at = words.index("--port") + 1
            port = self.ports[words[at]] = free_port()
            words = [*words[:at], str(port), *words[at + 1 :]]
        self.worker = self.closing.enter_context(stream_worker(words, self.folder))
        end = time.monotonic() + LIMIT_S
        while port is not None and not is_ready(port):
            assert self.worker.poll() is None, (self.folder / "worker.log").read_text()
            assert time.monotonic() < end, "the worker is not ready"
            time.sleep(0.05)

    def _serve(self, words: list[str]) -> None:
        """Start a server beside the page; it listens on a free port in place of the one that is shown."""
        at = words.index("--port") + 1
        process, port = start_server([*words[: at - 1], *words[at + 1 :]], self.folder, self.environ)
        self.ports[words[at]] = port
        self.closing.callback(process.wait)
        self.closing.callback(process.terminate)

    def _recorded(self, text: str) -> Ran | None:
        """Return what the main job printed; what lies before it in the job is past, and run anew when asked for."""
        if text not in self.recorded:
            return None
        steps = list(self.recorded)
        past = [step for step in steps[: steps.index(text)] if step not in AT_ANY_PLACE]
        found = self.recorded[text]
        self.recorded = {step: ran for step, ran in self.recorded.items() if step not in (*past, text)}
        return found

    def _set_up(self, text: str) -> None:
        match text.split():
            case ["state", "flights"]:
                shutil.copytree(self._flights().folder / "flights", self.folder / "flights")
                self.folder /= "flights"
            case ["recorded", "flights"]:
                shutil.copytree(self._flights().folder / "flights", self.folder / "flights")
                self.recorded = dict(self._flights().ran)
            case ["wait", "for", "workers"]:
                end = time.monotonic() + LIMIT_S
                now_us = time.time_ns() // 1_000
                while not is_all_taken(self.folder, now_us):
                    assert time.monotonic() < end, "workers do not take what was sent"
                    time.sleep(0.05)
            case ["lock", lock_id]:
                leave_lock(self.folder / ".featurectl" / "registry.db", "shop", lock_id)
            case _:
                ran = self.run(text)
                assert ran.exit_code == 0, f"{text}\n{ran.output}"

    def _flights(self) -> Job:
        assert self.job is not None, "the page begins with the flights: is_long in test_pages.py says so"
        return self.job


def start_server(words: list[str], folder: Path, environ: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start `featurectl serve` on a free port, and return it when it answers."""
    port = free_port()
    command = [sys.executable, "-m", "featurectl", *words, "--port", str(port), "--drain", "0s"]
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **environ}, stdout=subprocess.DEVNULL)
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            if web.get(f"http://127.0.0.1:{port}/ready", timeout=20).json()["serial"] is not None:
                return process, port  # what it serves is loaded
        except httpx2.HTTPError:
            assert process.poll() is None, "the server ended"
        assert time.monotonic() < end, "the server does not answer"
        time.sleep(0.05)


@contextlib.contextmanager
def stream_worker(words: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start `featurectl stream run`, and give it when all views of streams can be read."""
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "featurectl", *words], cwd=folder, stdout=log, stderr=log)
    try:
        end = time.monotonic() + LIMIT_S
        while not all_lists_are_there(folder):
            assert process.poll() is None, (folder / "worker.log").read_text()
            assert time.monotonic() < end, "the worker makes no lists"
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def is_ready(port: int) -> bool:
    """Return whether workers say that they can work, and are seen as what they are."""
    try:
        found = [web.get(f"http://127.0.0.1:{port}/{path}", timeout=20).status_code for path in ("ready", "fresh")]
    except httpx2.HTTPError:
        return False
    return found == [200, 200]


def all_lists_are_there(folder: Path) -> bool:
    """Return whether the views of all streams that are applied can be read."""
    with (
        open_workspace(folder, None, None, "unread") as workspace,
        contextlib.closing(workspace.stream_state()) as state,
    ):
        for name, stream in applied_streams(workspace.state()).items():
            place = StreamSource(project=workspace.project, env=workspace.environment.name, source=name)
            with contextlib.closing(state.connect(place)) as connection:
                found = connection.register.read_state()
            if not all(found.live(view) for view in stream.views):
                return False
    return True


def is_all_taken(folder: Path, instant_us: int) -> bool:
    """Return whether answers of all streams that are applied have all that topics have, up to an instant."""
    with (
        open_workspace(folder, None, None, "unread") as workspace,
        contextlib.closing(workspace.stream_state()) as state,
    ):
        for name, stream in applied_streams(workspace.state()).items():
            place = StreamSource(project=workspace.project, env=workspace.environment.name, source=name)
            assert stream.source.stream is not None
            with contextlib.closing(open_topics(workspace.topic_url(stream.source))) as broker:
                found = read_lag(broker, stream.source.stream.topic, state, place)
            if found.unread or (found.asof_us or 0) < instant_us:
                return False
    return True


def leave_lock(registry: Path, project: str, lock_id: str) -> None:
    """Lock a project as someone who is killed at once does."""
    now = datetime.now(UTC)
    row = (project, lock_id, "ana@laptop, pid 4711, featurectl apply", format_iso(now), format_iso(now + LEASE))
    with contextlib.closing(sqlite3.connect(registry)) as connection, connection:
        connection.execute("insert into locks (project, token, holder, since, expires_at) values (?, ?, ?, ?, ?)", row)


def check_output(command: Command, output: str, where: str) -> None:
    """Fail when the lines below a command are not those that it printed."""
    shown, lines = _lines_of(command, output)
    assert _fits(shown, lines), f"{where}\n--- shown\n" + "\n".join(shown) + "\n--- printed\n" + "\n".join(lines)


def is_output(command: Command, output: str) -> bool:
    """Return whether the lines below a command, if any, are those that it printed."""
    return not command.shown or _fits(*_lines_of(command, output))


def _lines_of(command: Command, output: str) -> tuple[list[str], list[str]]:
    """Return the lines that are shown, and those that were printed."""
    lines = [line.rstrip() for line in output.splitlines() if not _BEAT.fullmatch(line)]
    while lines and not lines[-1]:
        lines.pop()
    shown = [line.rstrip() for line in command.shown]
    while shown and not shown[-1]:
        shown.pop()
    return shown, lines


def _fits(shown: list[str], lines: list[str]) -> bool:
    if not shown:
        return not lines
    if shown[0] == "...":
        return any(_fits(shown[1:], lines[skip:]) for skip in range(len(lines) + 1))
    return bool(lines) and _line_fits(shown[0], lines[0]) and _fits(shown[1:], lines[1:])


def _line_fits(shown: str, line: str) -> bool:
    parts = _SECONDS.sub("(S s)", shown).split("...")
    return re.fullmatch(".*".join(map(re.escape, parts)), _SECONDS.sub("(S s)", line)) is not None


def run_here(arguments: list[str], folder: Path, environ: Mapping[str, str]) -> Ran:
    """Run a command of featurectl in this process."""
    printed = io.StringIO()
    with (
        _changed(environ),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        code = main(arguments)
    return Ran(printed.getvalue(), code)


def shell_environ() -> dict[str, str]:
    """Return the environment of a shell whose `python` is the one of these tests."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run_shell(text: str, folder: Path) -> Ran:
    """Run a command in a shell."""
    done = subprocess.run(
        ["sh", "-c", text],
        cwd=folder,
        env=shell_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return Ran(done.stdout, done.returncode)


@contextlib.contextmanager
def _changed(environ: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class Job:
    """The main job, done: its folder, and what each command printed."""

    folder: Path
    ran: Mapping[str, Ran]


def do_main_job(folder: Path) -> Job:
    """Run the main job below a folder, unless another process of the same tests has done or does it."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "ran.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            ran = [_step(text, folder) for text in JOB]
            record.write_text(json.dumps([(text, r.output, r.exit_code) for text, r in zip(JOB, ran, strict=True)]))
    return Job(folder, {text: Ran(output, code) for text, output, code in json.loads(record.read_text())})


def _step(text: str, folder: Path) -> Ran:
    return run_here(shlex.split(text), folder if text.startswith("init") else folder / "flights", {})
