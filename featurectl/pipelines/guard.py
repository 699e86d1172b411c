"""Runs one command and outlives nobody: a program of its own, which needs the standard library alone.

    python guard.py LIFE LOCK RESULT GRACE_S COMMAND...

It starts the command in a process group of its own and ends that group, first by TERM and after a grace by KILL, when
the command ends, when a signal asks for it, or when nobody holds the other end of the pipe LIFE any more: whoever
started it is gone, be it by KILL. The descriptor LOCK it holds, and the command does not. What came of the command is
written to the file RESULT, whole or not at all.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress

_POLL_S = 0.05
_NOT_STARTED = 127
_SIGNAL = 128
_DEATH_SIGNAL = 1  # of prctl: what a process is sent when its parent ends


def main(words: list[str]) -> int:
    """Run the command and return its exit code, as a shell says it: 128 and the number of a signal."""
    life, lock, result, grace_s, command = int(words[0]), int(words[1]), words[2], float(words[3]), words[4:]
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda got, _: asked.append(got))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = _start(command, (life, lock))
    code: int | None = None
    while code is None and not asked:
        ready, _, _ = select.select([life, woken], [], [])
        if life in ready:  # nothing is ever written to it
            asked.append(signal.SIGTERM)
        os.read(woken, 4096) if woken in ready else None
        code = _reaped(child)
    last = _end(child, code, grace_s)
    last = -signal.SIGTERM if code is None and last == 0 else last  # what was ended is not done
    with suppress(OSError):  # a disk that is full: the exit code says it, too
        _write(result, last)
    return last if last >= 0 else _SIGNAL - last


def _start(command: list[str], held: tuple[int, int]) -> int:
    child = os.fork()
    if child:
        with suppress(OSError):
            os.setpgid(child, child)  # as the child does: whoever comes first
        return child
    try:
        os.setpgid(0, 0)
        _die_with(os.getppid())
        for descriptor in held:
            os.close(descriptor)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.execv(command[0], command)  # noqa: S606 (no shell is meant)
    except OSError as error:
        os.write(2, f"error: {command[0]} can't be started: {error.strerror}\n".encode())
    os._exit(_NOT_STARTED)


def _die_with(parent: int) -> None:
    """Have this process killed when its parent ends, where the system can; else it would outlive a killed guard."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(_NOT_STARTED)


def _reaped(child: int) -> int | None:
    """Return the exit code of a child that has ended, less than 0 for a signal; None: it has not."""
    done, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def _end(child: int, code: int | None, grace_s: float) -> int:
    """End what is left of the child's group, and return the exit code of the child."""
    end = time.monotonic() + grace_s
    _signal_group(child, signal.SIGTERM)
    while code is None and time.monotonic() < end:
        time.sleep(_POLL_S)
        code = _reaped(child)
    while code is not None and time.monotonic() < end and _signal_group(child, 0):  # others of the group
        time.sleep(_POLL_S)
    _signal_group(child, signal.SIGKILL)
    while code is None:
        time.sleep(_POLL_S)
        code = _reaped(child)
    return code


def _signal_group(child: int, number: int) -> bool:
    try:
        os.killpg(child, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS: of a group of dead processes
        return False
    return True


def _write(path: str, code: int) -> None:
    half = f"{path}.half"
    with open(half, "w", encoding="ascii") as file:  # noqa: PTH123 (pathlib takes longer to load than all this)
        file.write(f"{code}\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(half, path)  # noqa: PTH105 (the same)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
