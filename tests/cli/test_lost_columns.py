"""A file without declared types that lost a column fails the views that read it; the others are computed."""

from __future__ import annotations

import json

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: dish, keys: {dish: string}}]
sources: [{name: menu, path: menu.csv}, {name: stock, path: stock.csv}]
feature_views:
  - {name: facts, entity: dish, source: menu, features: [{name: kind, expr: type}]}
  - {name: kept, entity: dish, source: stock, features: [pieces]}
"""


def test_a_lost_column_fails_its_views_on_record_and_no_others(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = {"featurectl.yaml": PROJECT, "o.yaml": OBJECTS, "menu.csv": "dish,type\na,soup\n"}
    for name, text in {**files, "stock.csv": "dish,pieces\na,1\n"}.items():
        (tmp_path / name).write_text(text)
    for argv in (["apply", "--auto-approve"], ["materialize"]):
        assert main([*argv, "-q"]) == 0
    (tmp_path / "menu.csv").write_text("dish\na\n")
    (tmp_path / "stock.csv").write_text("dish,pieces\na,2\nb,3\n")
    capsys.readouterr()
    assert main(["materialize", "-q", "-o", "json"]) == 1
    done = json.loads(capsys.readouterr().out)
    assert [(view["view"], view["error"] is None) for view in done["result"]["views"]] == [
        ("facts", False),
        ("kept", True),
    ]
    assert main(["status", "-q"]) == 1
    assert "facts" in capsys.readouterr().out
    assert main(["push", "kept", "-q"]) == 0
    capsys.readouterr()
    assert main(["plan", "-q"]) == 1
    assert 'menu.csv has changed: column "type" is gone' in "".join(capsys.readouterr())
