"""A command that takes JSON on stdin."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from featurectl.notifiers.base import Message, NotSentError

TIMEOUT_S: Final = 30.0


class CommandNotifier:
    """Runs a command in the repository's folder; no shell reads it, so a value of a variable stays one word."""

    def __init__(
        self, command: str, folder: Path, expand: Callable[[str], str] = str, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._command = command
        self._folder = folder
        self._expand = expand
        self._timeout_s = timeout_s

    def send(self, message: Message) -> None:
        """Run the command with the message on its stdin; exit code 0 takes it.

        Raises:
            NotSentError: it can't be run, ended with another code, or took too long and was ended.
        """
        given = json.dumps(message.to_json() | {"title": message.title}, ensure_ascii=False) + "\n"
        try:
            words = [self._expand(word) for word in shlex.split(self._command)]
            done = subprocess.run(  # noqa: S603 (the user's own)
                words, input=given.encode(), cwd=self._folder, capture_output=True, timeout=self._timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise NotSentError(f"the command took longer than {self._timeout_s:g} s", again=True, down=True) from None
        except (OSError, ValueError, IndexError) as error:
            told = getattr(error, "strerror", None) or str(error)
            raise NotSentError(f"the command can't be run: {told}", again=False) from None
        if done.returncode != 0:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())[:200]
            told = f"the command ended with exit code {done.returncode}{': ' if said else ''}{said}"
            raise NotSentError(told, again=True)
