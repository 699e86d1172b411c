"""systemd itself reads the units of random words, and says what it makes of each."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from featurectl.language.definitions.pipelines import Deployment
from featurectl.pipelines.render.request import DeploymentsRequest
from featurectl.pipelines.render.targets import deployment_target, render_deployment_files
from tests.pipelines.render import naive_readers as naive
from tests.pipelines.render.test_words import SIGNS, SITE

pytestmark = pytest.mark.guests

SYSTEMD = "/lib/systemd/systemd"
NOBODY = 65534
PLAIN = "[Unit]\nDefaultDependencies=no\n"
C_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the user that systemd runs as: that of the system it does not play for root."""
    path = Path(tempfile.mkdtemp())
    try:
        yield path
    finally:
        shutil.rmtree(path)


def read_by_systemd(folder: Path, units: dict[str, str]) -> dict[str, list[str]]:
    """Return the words of ExecStart of units by their names, with variables as they stand."""
    for name, text in units.items():
        (folder / name).write_text(text)
    for name in ("basic.target", "shutdown.target", "app.slice", "session.slice"):
        (folder / name).write_text(PLAIN)
    (folder / "default.target").write_text(f"{PLAIN}Wants={' '.join(units)}\n")
    (folder / "home").mkdir()
    if is_root := os.geteuid() == 0:
        for path in (folder, folder / "home"):
            os.chown(path, NOBODY, NOBODY)
    done = subprocess.run(
        [SYSTEMD, "--test", "--user", "--no-pager"],
        env={"HOME": f"{folder}/home", "XDG_RUNTIME_DIR": f"{folder}/home", "SYSTEMD_UNIT_PATH": str(folder)},
        user=NOBODY if is_root else None,
        group=NOBODY if is_root else None,
        extra_groups=[] if is_root else None,
        capture_output=True,
        check=False,
        timeout=120,
    )
    shown = done.stdout.decode()
    found = re.findall(r"→ Unit (w\d+\.service):\n.*?\n\t+Command Line: (.*?)\n\t+CPUAccounting", shown, re.DOTALL)
    return {name: [_shown_word(word) for word in _shown_words(line)] for name, line in found}


def _shown_words(line: str) -> list[str]:
    return re.findall(r'"(?:[^"\\]|\\.)*"|[^ "]+', line, re.DOTALL)


def _shown_word(word: str) -> str:
    def letter(found: re.Match[str]) -> str:
        text = found[1]
        if re.fullmatch(r"[0-7]{3}", text):
            return chr(int(text, 8))
        if len(text) == 3:
            return chr(int(text[1:], 16))
        return chr(C_ESCAPES[text]) if text in C_ESCAPES else text

    return re.sub(r"\\([0-7]{3}|x[0-9a-f]{2}|.)", letter, word[1:-1], flags=re.DOTALL) if word[0] == '"' else word


def test_systemd_reads_the_words_of_a_command_as_they_are(folder):
    chance, expected, units = random.Random(5), dict[str, list[str]](), dict[str, str]()
    target = deployment_target("systemd")
    for number in range(300):
        word = "".join(chance.choice(SIGNS) for _ in range(chance.randrange(6)))
        run = shlex.join(["serve", f"--host={word}", "--port", "8000", "--drain", word or "1s"])
        request = DeploymentsRequest(site=SITE, deployments=(Deployment(name="d", run=run),), command="")
        name, (file,) = f"w{number}.service", render_deployment_files(target, request)
        units[name] = f"{PLAIN}[Service]\nExecStart=" + re.findall(r"^ExecStart=(.*)$", file.text, re.MULTILINE)[0]
        expected[name] = naive.by_systemd(file.text)
        assert expected[name][1:3] == ["serve", f"--host={word}"]
    found = read_by_systemd(folder, units)
    assert {name: [word.replace("$$", "$") for word in words] for name, words in found.items()} == expected
