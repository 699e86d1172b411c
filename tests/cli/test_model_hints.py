"""What is said of a model that can't be trained is what to write: whoever writes it has a model."""

from __future__ import annotations

import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: user, keys: {user: int64}}]
sources: [{name: orders, path: orders.csv, event_time: at COLUMNS}]
feature_views:
  - name: latest
    entity: user
    source: orders
    features: [{name: place, expr: shop}, {name: paid, expr: amount}, {name: seen, expr: sent}]
DERIVED
models:
  - name: m
    spine: {source: orders, time: at, label: {name: late}}
    features:
      - {latest: [paid]}
      - MORE
    trainer: {estimator: ESTIMATOR, params: {n_estimators: 2, num_threads: 1, verbose: -1, min_child_samples: 2}}
"""
LATE = ("false", "true", "true")
ROWS = [
    f"{i % 3},2026-01-0{1 + i // 6}T0{i % 6}:00:00Z,2026-01-01T0{i % 6}:00:00Z,{i},{'ab'[i % 2]},{LATE[i % 3]}"
    for i in range(30)
]
COLUMNS = ", columns: {user: int64, at: timestamp, sent: timestamp, amount: int64, shop: string, late: bool}"


@pytest.fixture
def write(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "orders.csv").write_text("\n".join(["user,at,sent,amount,shop,late", *ROWS]) + "\n")

    def written(more, derived="", columns="", estimator="lightgbm.LGBMClassifier"):
        words = {"MORE": more, "DERIVED": derived, "COLUMNS": columns, "ESTIMATOR": estimator}
        text = OBJECTS
        for word, by in words.items():
            text = text.replace(word, by)
        (tmp_path / "o.yaml").write_text(text)
        capsys.readouterr()

    return written


def trained(capsys):
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert main(["materialize", "-q"]) == 0
    capsys.readouterr()
    code = main(["train", "m", "-q"])
    return code, capsys.readouterr().err


def test_a_model_that_can_not_be_served_is_told_of_when_it_is_trained(write, capsys, tmp_path):
    write("{latest: [place]}", columns=COLUMNS)
    text = (tmp_path / "o.yaml").read_text().replace("      - {latest: [place]}\n", "")
    (tmp_path / "o.yaml").write_text(text.replace("source: orders\n", "source: orders\n    online: false\n"))
    assert main(["validate"]) == 0
    assert 'can be scored and not served: view "latest" is offline only' in capsys.readouterr().err
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert main(["materialize", "-q"]) == 0
    assert main(["train", "m"]) == 0
    said = capsys.readouterr().err
    assert "warning: the model can be scored and not served: latest is offline only" in " ".join(said.split())


def test_a_text_that_only_the_data_knows_is_told_with_the_line_to_write(write, capsys):
    write('{feature: "latest:place", as: shop_name}')
    code, err = trained(capsys)
    line = '- {feature: "latest:place", as: shop_name, type: category}'
    assert (code, "error[FC517]" in err, line in err) == (1, True, True), err
    write(line[2:])
    assert trained(capsys)[0] == 0


@pytest.mark.long
def test_a_time_that_only_the_data_knows_is_told_with_the_derived_feature(write, capsys):
    write('{feature: "latest:seen"}')
    code, err = trained(capsys)
    line = "derived: [{name: seen_s, expr: extract(epoch from seen)}]"
    assert (code, "error[FC517]" in err, line in err) == (1, True, True), err
    write('{feature: "latest:seen_s"}', derived=f"    {line}")
    assert trained(capsys)[0] == 0


@pytest.mark.parametrize(
    ("more", "line", "derived"),
    [
        ("{latest: [place]}", '{feature: "latest:place", type: category}', ""),
        ("{latest: [seen]}", "{latest: [seen_s]}", "derived: [{name: seen_s, expr: extract(epoch from seen)}]"),
    ],
)
def test_validate_says_the_line_shop_nametypes_are_declared(write, capsys, more, line, derived):
    write(more, columns=COLUMNS)
    assert main(["validate"]) == 1
    err = capsys.readouterr().err
    assert "error[FC314]" in err
    assert f"= write {derived or '- ' + line}" in err, err
    write(line, derived=derived and f"    {derived}", columns=COLUMNS)
    assert main(["validate"]) == 0


def test_validate_finds_that_there_is_no_such_estimator(write, capsys):
    write('{feature: "latest:place", type: category}', estimator="lightgbm.LGBMClasifier")
    assert main(["validate"]) == 1
    err = capsys.readouterr().err
    assert "error[FC315]: lightgbm has no LGBMClasifier" in err
    assert 'did you mean "LGBMClassifier"?' in err
    write('{feature: "latest:place", type: category}', estimator="not_here.Model")
    assert main(["validate"]) == 0
    assert "1 note" in capsys.readouterr().err


def test_a_misspelt_parameter_is_told_by_validate_and_before_any_training(write, capsys, tmp_path):
    write("{latest: [seen]}", columns=COLUMNS)
    text = (tmp_path / "o.yaml").read_text().replace("      - {latest: [seen]}\n", "")
    (tmp_path / "o.yaml").write_text(text.replace("n_estimators: 2", "n_estimator: 2"))
    assert main(["validate"]) == 1
    said = capsys.readouterr().err
    assert 'o.yaml:15:60: error[FC315]: lightgbm.LGBMClassifier has no parameter "n_estimator"' in said
    assert '^^^^^^^^^^^ did you mean "n_estimators"?' in said
    code, err = trained(capsys)
    assert (code, "FC513" in err, 'did you mean "n_estimators"?' in err, "training set" in err) == (
        1,
        True,
        True,
        False,
    )
    assert not list(tmp_path.rglob("models/m/*"))
