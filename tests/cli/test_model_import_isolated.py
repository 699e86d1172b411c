"""What a model's file does to the process that reads it does nothing to `models import`, which says so."""

from __future__ import annotations

import os
import pickle
import re
import time
from pathlib import Path

import pytest

from featurectl.core.errors import DataError, UsageError
from featurectl.models.isolation.limits import ProcessLimits
from featurectl.models.isolation.process import open_process
from tests.cli.foreign import ALLOWED, PLAIN, put_file
from tests.model_shop import open_shop
from tests.models.damaged import with_sizes

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    with open_shop(tmp_path, monkeypatch, capsys) as shop:
        yield shop


def bomb(code):
    """A pickle that runs code where it is loaded."""

    class Bomb:
        def __reduce__(self):
            return (exec, (code,))

    return pickle.dumps(Bomb())


def children():
    """The processes that this one has begun and not yet seen the end of."""
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()


def refused(shop, name, content, *more, code):
    before = children()
    (shop.root / name).write_bytes(content)
    said = shop.run("models", "import", "m", "--file", name, *more, code=code).err
    assert children() == before
    assert shop.run("models", "list").out.startswith("No model is trained yet")
    assert list(shop.root.rglob("core*")) == []
    assert not (shop.root / "off" / "models").exists()
    return said


def test_a_file_that_kills_its_library_is_refused(shop):
    shop.make(PLAIN)
    put_file(shop, "model.txt")
    far = re.sub(rb"split_feature=\d+", b"split_feature=2147483647", (shop.root / "model.txt").read_bytes(), count=1)
    said = refused(shop, "model.txt", with_sizes(far), code=1)
    assert "error[FC530]: model.txt, read as LightGBM's text, ends the process that reads it (SIGSEGV)" in said


@pytest.mark.parametrize("name", ["model.onnx", "flow/MLmodel"])
def test_a_pipe_or_device_is_no_file_of_a_model(shop, name):
    shop.make(PLAIN)
    path = shop.root / name
    path.parent.mkdir(exist_ok=True)
    given = ("--mlflow", "flow") if "/" in name else ("--file", name)
    os.mkfifo(path)  # to open it would wait for whoever writes to it
    said = shop.run("models", "import", "m", *given, code=64).err
    assert f"{name}: it is a pipe, no regular file" in said
    path.unlink()
    path.symlink_to("/dev/zero")  # has no end
    said = shop.run("models", "import", "m", *given, code=64).err
    assert f"{name}: it is a device, no regular file" in said


def test_a_model_of_many_bytes_is_not_read_at_all(shop):
    shop.make(PLAIN)
    with (shop.root / "model.onnx").open("wb") as file:
        file.truncate(1 << 40)
    said = shop.run("models", "import", "m", "--file", "model.onnx", code=64).err
    assert "model.onnx has 1099511.6 MB; models of at most 2 GiB are read" in said


def test_a_file_that_kills_its_reading_process_is_reported_with_the_signal(shop):
    shop.make(ALLOWED)
    content = bomb("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    said = refused(shop, "model.pkl", content, "--allow-pickle", code=1)
    assert "error[FC530]: model.pkl, read as a pickle, ends the process that reads it (SIGSEGV)" in said


def test_a_file_that_takes_all_memory_is_told(shop):
    shop.make(ALLOWED)
    said = refused(shop, "model.pkl", bomb("x = [bytearray(1 << 44)]"), "--allow-pickle", code=1)
    assert "error[FC531]: model.pkl, read as a pickle, needs more than " in said


def ask(content, limits):
    with open_process(limits) as process:
        process.name = "it"
        process.ask("open", path="m.pkl", format="pkl", content=content, width=1, allow_code=True)


@pytest.mark.long
def test_a_file_that_never_ends_is_ended_in_time():
    before = children()
    with pytest.raises(DataError, match=r"it has not answered in 0\.5 seconds and was ended") as caught:
        ask(bomb("while True: pass"), ProcessLimits(seconds=0.5))
    assert caught.value.code == "FC531"
    assert children() == before


def test_memory_that_is_taken_bit_by_bit_has_an_end():
    grows = "kept = []\nwhile True: kept.append(bytearray(1 << 24))"
    with pytest.raises(DataError, match=r"it needs more than 0\.5 GiB of memory"):
        ask(bomb(grows), ProcessLimits(memory_bytes=1 << 29, seconds=300))


def test_a_process_that_is_asked_no_more_has_ended():
    with open_process(ProcessLimits()) as process:
        number = process._process.pid  # noqa: SLF001  # the process that is killed
        os.kill(number, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_module_of_the_folder_is_not_taken_for_one_of_a_library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "msgpack.py").write_text("raise SystemExit('a module of the repository was run')")
    with pytest.raises(UsageError, match="holds NoneType, which has no predict"):
        ask(bomb("1"), ProcessLimits())


def test_a_process_that_can_not_start_is_an_error_and_leaves_no_pipe_open(monkeypatch):
    import sys

    handles = Path("/proc/self/fd")
    before = len(list(handles.iterdir()))
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with (
        pytest.raises(DataError, match="can't be started: No such file or directory") as caught,
        open_process(ProcessLimits()),
    ):
        pytest.fail("there is none")
    assert caught.value.code == "FC530"
    assert len(list(handles.iterdir())) == before


@pytest.mark.long
def test_a_path_that_is_no_text_is_said_at_once():
    with open_process(ProcessLimits(seconds=120)) as process:
        begin = time.monotonic()
        with pytest.raises(UsageError, match=re.escape("bad-\udcff.txt can't be read")):
            process.ask("open", path="bad-\udcff.txt", format="txt", content=b"", width=1, allow_code=False)
        assert time.monotonic() - begin < 100
