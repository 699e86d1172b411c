"""Signals that end a run are heard whenever they come."""

from __future__ import annotations

import signal
import subprocess
import sys

PROGRAM = """
import random, signal, time
from featurectl.streaming.session.stop_signals import stopped_by_signals

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGHUP))
for _ in range(2_000):  # a handler that waits for the thread in which it runs does so in one of some hundred
    with stopped_by_signals() as stop:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 3e-4))
        while not stop.is_set():
            stop.wait(1e-6)
print("heard")
"""


def test_a_signal_is_heard_in_whatever_moment_of_waiting_it_comes():
    command = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.stdout, ended.returncode) == ("heard\n", 0), ended.stderr


def test_a_second_signal_ends_a_process_that_hears_nothing():
    program = (
        "import signal, time\nfrom featurectl.streaming.session.stop_signals import stopped_by_signals\n"
        "with stopped_by_signals() as stop:\n"
        "    signal.raise_signal(signal.SIGTERM)\n    assert stop.is_set()\n"
        "    signal.raise_signal(signal.SIGTERM)\n    time.sleep(600)"
    )
    ended = subprocess.run([sys.executable, "-c", program], timeout=120, check=False)
    assert ended.returncode == -signal.SIGTERM
