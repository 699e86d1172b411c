"""Commands that take a message on stdin."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path

import pytest

from featurectl.core.errors import UsageError
from featurectl.language.definitions.alerts import Notifier
from featurectl.notifiers.all_notifiers import open_notifier
from featurectl.notifiers.base import NotSentError, load_message
from featurectl.notifiers.command import CommandNotifier
from tests.notifiers.messages import MESSAGE


def python(code):
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"


def refused(notifier):
    with pytest.raises(NotSentError) as caught:
        notifier.send(MESSAGE)
    return caught.value


def test_a_command_reads_the_message_in_the_folder_of_the_repository(tmp_path):
    notifier = CommandNotifier("tee -a 'told here.jsonl'", tmp_path)
    notifier.send(MESSAGE)
    notifier.send(MESSAGE)
    first, second = (tmp_path / "told here.jsonl").read_text(encoding="utf-8").splitlines()
    document = json.loads(first)
    assert (first, document.pop("title")) == (second, MESSAGE.title)
    assert load_message(document) == MESSAGE


def test_a_command_that_fails_hangs_or_is_not_there_is_told(tmp_path):
    failed = refused(CommandNotifier(python("import sys; sys.exit('no  route')"), tmp_path))
    assert (failed.again, failed.message) == (True, "the command ended with exit code 1: no route")
    slow = refused(CommandNotifier(python("import time; time.sleep(60)"), tmp_path, timeout_s=0.2))
    assert slow.down
    assert not failed.down
    assert (slow.again, slow.message) == (True, "the command took longer than 0.2 s")
    gone = refused(CommandNotifier("no-such-command", tmp_path))
    assert (gone.again, gone.message) == (False, "the command can't be run: No such file or directory")
    for text in ("", "'open"):
        assert refused(CommandNotifier(text, tmp_path)).again is False


def test_a_command_that_hangs_is_ended_with_what_it_has_begun(tmp_path):
    for timeout_s in (0.5, 5.0, 30.0):  # on a busy machine a shell takes a while to begin
        refused(CommandNotifier("sh -c 'sleep 60 & touch $$ $!; wait'", tmp_path, timeout_s=timeout_s))
        begun = [int(path.name) for path in tmp_path.iterdir()]
        if len(begun) == 2:
            break
    assert len(begun) == 2
    for _ in range(500):  # to die takes a moment
        if not any(is_running(pid) for pid in begun):
            break
        time.sleep(0.01)
    assert not any(is_running(pid) for pid in begun)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_value_of_a_variable_stays_one_word(tmp_path):
    declared = Notifier(name="file", way="command", address="tee ${TARGET}")
    open_notifier(declared, {"TARGET": "a b; touch c"}, tmp_path).send(MESSAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["a b; touch c"]
    with pytest.raises(UsageError, match=r"the environment variable TARGET is not set \(notifier file\)"):
        open_notifier(declared, {}, tmp_path).send(MESSAGE)


def test_a_command_that_leaves_something_running_has_told_all_the_same(tmp_path):
    left = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)'])"
    CommandNotifier(python(left), tmp_path, timeout_s=4).send(MESSAGE)


def test_an_error_of_a_command_names_the_variable_and_not_its_value(tmp_path):
    code = "import sys; sys.exit('no host in ' + sys.argv[1][2:] + ' at ' + sys.argv[2])"
    declared = Notifier(name="hook", way="command", address=f"{python(code)} -u${{URL}} ${{TRY:-1}}")
    error = refused(open_notifier(declared, {"URL": "https://hooks.test/hush"}, tmp_path))
    assert error.message == "the command ended with exit code 1: no host in ${URL} at 1"


def test_a_value_that_a_command_cuts_off_is_in_no_error(tmp_path):
    code = "import sys; sys.exit('bad token ' + sys.argv[1][:-4] + '...')"
    declared = Notifier(name="hook", way="command", address=f"{python(code)} ${{TOKEN}}")
    error = refused(open_notifier(declared, {"TOKEN": "Canary7193xyz"}, tmp_path))
    assert error.message == "the command ended with exit code 1: bad token ***..."


def test_an_error_of_a_command_shows_no_part_of_an_address_either(tmp_path):
    code = "import base64, sys; sys.exit(f'no {base64.b64encode(sys.argv[1][7:17].encode()).decode()}, hush-1')"
    declared = Notifier(name="hook", way="command", address=f"{python(code)} ${{URL}}")
    error = refused(open_notifier(declared, {"URL": "http://ana:hush-1@hooks.test/x"}, tmp_path))
    assert error.message == "the command ended with exit code 1: no ***, ***"
