"""What `materialize` says, in text and JSON, where the source no longer holds rows that would be lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: key, keys: {k: string}}]
sources: [{name: rolling, path: rolling.csv, event_time: at, columns: {k: string, at: timestamp, v: float64}}]
feature_views: [{name: values, entity: key, source: rolling, features: [v]}]
"""
HEADER, OLD = "k,at,v\n", "a,2026-01-01T00:00:00Z,1\na,2026-01-02T00:00:00Z,2\n"
NEW = "b,2026-01-03T00:00:00Z,3\n"
SAID = (
    "source rolling: 2 rows of 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z that the table of values has are of before "
    "what it holds now, from 2026-01-03T00:00:00Z on; a file changed in place (no available_at: all is read), and made "
    "anew it would lose them"
)


@pytest.fixture
def rolled(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, text in {"featurectl.yaml": PROJECT, "o.yaml": OBJECTS, "rolling.csv": HEADER + OLD}.items():
        (tmp_path / name).write_text(text)
    assert main(["apply", "--auto-approve"]) == 0
    assert main(["materialize"]) == 0
    (tmp_path / "rolling.csv").write_text(HEADER + NEW)
    capsys.readouterr()


@pytest.mark.usefixtures("rolled")
def test_a_file_that_was_cut_is_refused_and_taken_with_full(capsys):
    assert main(["materialize"]) == 1
    told = capsys.readouterr().err
    assert f"error[FC501]: {SAID}" in told
    assert "`materialize --full` makes the table of what there is, without them" in told
    assert main(["materialize", "-o", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    (view,) = document["result"]["views"]
    assert (view["error"]["code"], view["error"]["message"]) == ("FC501", SAID)
    assert main(["materialize", "--full"]) == 0
    assert "values@1: 1 row fewer than before\n" in capsys.readouterr().out
    Path("rolling.csv").write_text(HEADER + NEW + NEW.replace("03", "04"))
    assert main(["materialize", "-o", "json"]) == 0
    (view,) = json.loads(capsys.readouterr().out)["result"]["views"]
    assert (view["action"], view["fewer_rows"]) == ("rebuild", 0)


@pytest.mark.long
@pytest.mark.usefixtures("rolled")
@pytest.mark.parametrize(
    "change",
    [("features: [v]", "features: [{name: v, expr: v + 1}]"), ("event_time: at", "event_time: at, available_at: at")],
)
def test_a_new_version_is_made_with_a_word_of_what_it_lacks(capsys, change):
    Path("o.yaml").write_text(OBJECTS.replace(*change))
    assert main(["apply", "--auto-approve", "--allow-breaking", "values"]) == 0
    capsys.readouterr()
    assert main(["materialize"]) == 0
    said = (
        "v1 has 2 rows of 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z of before what the source holds now: these rows"
    )
    assert f"values@2: {said} are in the table of v1 alone" in capsys.readouterr().out
    assert main(["materialize", "-o", "json"]) == 0
    (view,) = json.loads(capsys.readouterr().out)["result"]["views"]
    assert view["older_history"] is None  # it was said once
