"""Several processes that share a port, and end together."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from featurectl.serving.journal import Journal
from featurectl.serving.metrics import forget_process
from featurectl.serving.process.server import DrainingServer
from featurectl.serving.settings import SETTINGS_VARIABLE, load_settings
from featurectl.serving.startup import pass_to_process

_STEP_S: Final = 0.05


class _Worker(Process):
    """One process of several."""

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve in the process that was started, and end when the one that started it is gone."""
        if (parent := multiprocessing.parent_process()) is not None:
            threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
        super().target(sockets)

    @cached_property
    def server(self) -> DrainingServer:
        """The server that the process runs."""
        return DrainingServer(self.config, load_settings(os.environ[SETTINGS_VARIABLE]))


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    """End this process as SIGTERM does when the first of them is gone, whatever ended it: nobody else can end it.

    It would go on listening, and the port would be nobody's to stop and nobody's to have.
    """
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _end_of(code: int) -> str:
    """Return how a process ended.

    >>> _end_of(-9), _end_of(3)
    ('was killed by SIGKILL', 'ended with exit code 3')
    """
    if code >= 0:
        return f"ended with exit code {code}"
    names = {number.value: number.name for number in signal.Signals}
    return f"was killed by {names.get(-code, f'signal {-code}')}"


class Workers(Multiprocess):
    """Processes that share a port; what one that is gone was counting at the moment is forgotten.

    Each is a `_Worker`: whatever starts one is overridden here.
    """

    is_interrupted = False
    ended_by: int | None = None  # the signal that ended all at once

    def __init__(self, config: uvicorn.Config, port: socket.socket, folder: Path, journal: Journal) -> None:
        super().__init__(config, [port])
        self._journal = journal
        self._mark = folder / "loaded"

    def init_processes(self) -> None:
        """Start as many as were asked for."""
        for place in range(self.processes_num):
            self.processes.append(self._started(place))

    def handle_int(self) -> None:
        """End at Ctrl-C, and remember it: a command that was interrupted says so."""
        self.is_interrupted = True
        super().handle_int()

    def handle_ttin(self) -> None:
        """Be one more."""
        self.processes_num += 1
        self.processes.append(self._started(len(self.processes)))

    def handle_signals(self) -> None:
        """Do what signals ask for: to end, to restart all, to be one more or one less."""
        with self._forgetting():
            super().handle_signals()

    def keep_subprocess_alive(self) -> None:
        """Start a process in the place of each that has died, but not of one that can't be started."""
        with self._forgetting():
            for place, process in enumerate(self.processes):
                if self.should_exit.is_set():
                    return
                if process.is_alive(self.config.timeout_worker_healthcheck):
                    continue
                hangs = process.process.is_alive()
                process.kill()
                process.join()
                if not self.should_exit.is_set():
                    self._report_lost(process, hangs=hangs)
                if process.exitcode == STARTUP_FAILURE:
                    self.should_exit.set()
                else:
                    self.processes[place] = self._started(place)

    def restart_all(self) -> None:
        """Start a process in the place of each, one after the other; the old one ends when the new one answers."""
        for place, old in enumerate(self.processes):
            new = self._started(place)
            if not new.wait_until_ready(self.config.timeout_worker_healthcheck, self.should_exit):
                new.kill()
                new.join()
                return
            old.terminate()
            old.join()
            self.processes[place] = new

    def terminate_all(self) -> None:
        """Tell all to stop; the last of them that closes the port takes what connects until then."""
        for port in self.sockets:
            port.close()
        super().terminate_all()

    def join_all(self) -> None:
        """Wait until all have ended; a second signal ends them at once."""
        self.signal_queue.clear()
        while any(process.process.is_alive() for process in self.processes):
            if {signal.SIGTERM, signal.SIGINT} & {*self.signal_queue}:
                self.ended_by = self.signal_queue[-1]
                for process in self.processes:
                    process.process.kill()
            time.sleep(_STEP_S)
        super().join_all()

    def _report_lost(self, process: Process, *, hangs: bool) -> None:
        """Report that another process takes the place of one, and of what that died: the system may have killed it."""
        limit_s = self.config.timeout_worker_healthcheck
        how = f"gave no sign of life for {limit_s} s, and was killed" if hangs else _end_of(process.exitcode or 0)
        self._journal.report("worker_lost", f"process {process.pid} {how}", level="error", lost=process.pid)

    def _started(self, place: int) -> _Worker:
        pass_to_process(self._mark, is_first=place == 0 and not self._mark.exists())
        process = _Worker(self.config, self.sockets)
        process.start()
        return process

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        before = {process.pid for process in self.processes}
        yield
        for gone in before - {process.pid for process in self.processes}:
            forget_process(gone or 0)
