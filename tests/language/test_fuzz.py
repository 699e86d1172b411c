"""Damaged files of real repositories give problems in every output: no crash, no hang, bounded memory."""

from __future__ import annotations

import io
import json
import random
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from featurectl.cli.main import main
from featurectl.language.syntax import reader
from featurectl.operations.init import NEXT, template_folder, write_repository
from tests.language.damage import damaged
from tests.language.repository import PROJECT
from tests.language.test_any_text import WHOLE
from tests.seeds import seeds_from

OUTPUTS = ("json", "json", "text", "concise", "github", "sarif", "junit")
MOST_SECONDS = 20.0  # of the processor, for one repository: a busy machine takes thrice as long as a quiet one
MOST_MB = 500


@pytest.fixture(scope="session")
def originals(tmp_path_factory) -> list[tuple[str, bytes]]:
    """The YAML files of the templates and of a repository that uses most of the language."""
    found = [("featurectl.yaml", PROJECT.encode()), ("whole.yaml", WHOLE.encode()), ("whole.yaml", WHOLE.encode())]
    for name in NEXT:
        root = tmp_path_factory.mktemp(name)
        write_repository(template_folder() / name, root / "repo", name)
        files = sorted((root / "repo").rglob("*.yaml"))
        found += [(path.name, path.read_bytes()) for path in files if ".github" not in path.parts]
    return found


def validate(root: Path, output: str) -> tuple[int, str, float]:
    """Return the exit code, what was printed, and the seconds of the processor."""
    out, err = io.StringIO(), io.StringIO()
    begin = time.process_time()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["validate", "--no-data", "-v", "-C", str(root), "-o", output])
    return code, out.getvalue() if output == "json" else err.getvalue() + out.getvalue(), time.process_time() - begin


def check(originals: list[tuple[str, bytes]], seed: int, root: Path) -> None:
    rng = random.Random(seed)
    name, content = rng.choice(originals)
    text = damaged(content, rng.choice(originals)[1], rng)
    beside = {} if name == "featurectl.yaml" else {"featurectl.yaml": PROJECT.encode()}
    if rng.random() < 0.3:
        beside["whole2.yaml"] = WHOLE.encode()  # names stand twice
    for path in root.glob("*.yaml"):
        path.unlink()
    for path, bytes_ in ({name: text} | beside).items():  # type: ignore[assignment]
        (root / path).write_bytes(bytes_)
    output = rng.choice(OUTPUTS)
    code, printed, seconds = validate(root, output)
    assert code in (0, 1), f"seed {seed}, {output}: exit {code}\n{printed}"
    assert seconds < MOST_SECONDS, f"seed {seed}: {seconds:.1f} s for {len(text):,} bytes"
    if output == "json":
        check_places(json.loads(printed)["problems"], text.decode("utf-8-sig", "replace").split("\n"), name, seed)


def check_places(problems: list[dict[str, Any]], lines: list[str], name: str, seed: int) -> None:
    """Check that every problem of the file points into it."""
    for problem in problems:
        line, column, end = problem["line"], problem["column"], problem["end_column"]
        if Path(str(problem["path"])).name == name and line:
            assert line <= len(lines), (seed, problem)
            assert 1 <= column <= len(lines[line - 1]) + 1, (seed, problem)
            assert end > column, (seed, problem)


def forget_peak() -> float:
    """Let the greatest size of this process be that of now, whatever ran in it before, and return it in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mb()


def peak_mb() -> float:
    """Return the greatest size of this process since `forget_peak`."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


@pytest.mark.long
def test_some_damaged_files_give_problems_in_every_output(originals, tmp_path):
    for seed in range(100):
        check(originals, seed, tmp_path)


@pytest.mark.stress
@pytest.mark.parametrize("first", range(100_000, 200_000, 10_000))
def test_a_hundred_thousand_damaged_files_give_problems(originals, tmp_path, first):
    before = forget_peak()
    for seed in seeds_from(first, first + 10_000):
        check(originals, seed, tmp_path)
    assert peak_mb() - before < MOST_MB


ENDLESS = {
    "keys that stand twice": b"models:\n" + b"".join(b"  a: %d\n" % number for number in range(15_000)),
    "keys that nobody knows": b"entities:\n  - {%s}\n" % b", ".join(b"key%d: 1" % number for number in range(15_000)),
    "anchors": b"models: [" + b"&a 1," * 20_000 + b"]",
    "a value cut at commas": b"sources: [{name: s, path: f(" + b"a, " * 100_000 + b")}]",
    "values cut at commas": b"sources: [{" + b"name: f(a, b, " * 25_000 + b"}]",
    "errors in one line": b"alerts: [" + b"{name: a, when: x}," * 10_000 + b"]",
    "names that do not exist": (
        b"entities:\n"
        + b"".join(b"  - {name: entity_number_%d, keys: {k: string}}\n" % number for number in range(400))
        + b"sources: [{name: s, path: a, event_time: k, columns: {k: timestamp}}]\nfeature_views:\n"
        + b"".join(b"  - {name: v%d, entity: entity_nomber_%d, source: s, features: [k]}\n" % (n,
                                                                                               n) for n in range(400))
    ),
    "columns that do not exist": (
        b"sources: [{name: s, path: a, event_time: at, columns: {at: timestamp, %s}}]\nfeature_views:\n"
        b"  - name: v\n    source: s\n    features:\n"
        % b", ".join(b"column_%d: int64" % number for number in range(400))
        + b"".join(b"      - {name: f%d, expr: colunm_%d + 1}\n" % (number, number) for number in range(400))
    ),
}  # fmt: skip


DRAWN = {"keys that stand twice", "errors in one line"}  # two places, and a place far to the right; stress draws all
EACH = [
    pytest.param(
        content,
        output,
        id=f"{name}-{output}",
        marks=pytest.mark.stress if output == "text" and name not in DRAWN else (),
    )
    for name, content in ENDLESS.items()
    for output in ("json", "text")
]


@pytest.mark.parametrize(("content", "output"), EACH)
@pytest.mark.sample(1)
def test_thousands_of_faults_take_a_moment(content, output, tmp_path):
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "x.yaml").write_bytes(content)
    code, printed, seconds = validate(tmp_path, output)
    assert code == 1
    assert seconds < 2 * MOST_SECONDS
    assert len(printed) < 10_000_000


@pytest.mark.long
def test_after_ten_thousand_problems_nothing_more_is_checked(tmp_path):
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "x.yaml").write_bytes(ENDLESS["keys that stand twice"])
    problems = json.loads(validate(tmp_path, "json")[1])["problems"]
    assert len(problems) == 10_001
    assert (problems[0]["code"], problems[0]["message"]) == (
        "FC006", "there are more than 10,000 problems: what else there is was not checked",
    )  # fmt: skip


@pytest.mark.parametrize("most", [20_000, pytest.param(reader.MAX_EVENTS, marks=pytest.mark.stress)])
def test_a_file_of_more_than_a_million_values_is_not_read(most, monkeypatch, tmp_path):
    monkeypatch.setattr(reader, "MAX_EVENTS", most)
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "x.yaml").write_bytes(b"models: [" + b"1," * most + b"]")
    (problem,) = json.loads(validate(tmp_path, "json")[1])["problems"]
    assert problem["code"] == "FC001"
    assert problem["message"] == f"the file holds more than {most:,} keys, values and brackets; cut it up"
