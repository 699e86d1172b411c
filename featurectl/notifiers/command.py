"""A command that takes JSON on stdin."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from featurectl.core.secrets import address_secrets, address_users, hide_repeated
from featurectl.core.variables import expand
from featurectl.notifiers.base import ChannelSettings, IncidentMessage, NotSentError

TIMEOUT_S: Final = 30.0
_VARIABLE: Final = re.compile(r"\$\{[^{}]*\}")
_SHORT: Final = 3
_MOST_BYTES: Final = 2_000  # of what a command says


class CommandNotifier:
    """Runs a command in the repository's folder; no shell reads it, so a value of a variable stays one word."""

    def __init__(
        self, command: str, folder: Path, expand: Callable[[str], str] = str, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._command = command
        self._folder = folder
        self._expand = expand
        self._timeout_s = timeout_s

    def send(self, message: IncidentMessage) -> str:
        """Run the command with the message on its stdin; exit code 0 takes it.

        Raises:
            NotSentError: it can't be run, ended with another code, or took too long and was ended.
        """
        given = json.dumps(message.to_json() | {"title": message.title}, ensure_ascii=False) + "\n"
        try:
            code, said = self._run(given.encode())
        except subprocess.TimeoutExpired:
            raise NotSentError(f"the command took longer than {self._timeout_s:g} s", again=True, down=True) from None
        except (OSError, ValueError, IndexError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise NotSentError(f"the command can't be run: {reason}", again=False) from None
        if code != 0:
            reason = f"the command ended with exit code {code}{': ' if said else ''}{said}"
            raise NotSentError(reason, again=True)
        return f"the command ended with exit code 0{': ' if said else ''}{said}"

    def _run(self, given: bytes) -> tuple[int, str]:
        """Run the command; return its exit code and what it said on stderr, without values of variables.

        What it says goes to a file: what it left running in the background is not waited for.
        """
        words = [self._expand(word) for word in shlex.split(self._command)]
        with TemporaryFile() as errors:
            with subprocess.Popen(  # noqa: S603 (the user's own)
                words, cwd=self._folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors,
                start_new_session=True,
            ) as process:  # fmt: skip
                self._wait(process, given)
            errors.seek(0)
            said = errors.read(_MOST_BYTES).decode("utf-8", "replace")
        return process.returncode, " ".join(self._unfilled(said).split())[:200]

    def _wait(self, process: subprocess.Popen[bytes], given: bytes) -> None:
        """Give a command its message and wait; one that is not waited for to its end is ended with all it began."""
        try:
            process.communicate(given, self._timeout_s)
        except BaseException:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            raise

    def _unfilled(self, text: str) -> str:
        """Return a text with names of variables in place of their values, but for values that may be any word."""
        names = {self._expand(name): name for name in _VARIABLE.findall(self._command)}
        for value in sorted(names, key=len, reverse=True):
            if len(value) > _SHORT:
                text = text.replace(value, names[value])
        secrets = {secret for value in names for secret in address_secrets(value) | address_users(value)}
        return hide_repeated(text, secrets | {value for value in names if len(value) > _SHORT})


def open_command(settings: ChannelSettings) -> CommandNotifier:
    """Return what runs a command; each of its words has its variables filled in by itself."""
    return CommandNotifier(
        settings.address, settings.root, partial(expand, environ=settings.environ, place=settings.place)
    )
