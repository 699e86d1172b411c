"""What is written otherwise and means the same has the same fingerprints: whole repositories, rewritten at random."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import yaml

from featurectl.identity.fingerprint import fingerprints
from featurectl.language.load import load_repo
from featurectl.language.shapes.objects import LISTS
from featurectl.plan.desired import desired_objects
from tests.language.repository import BASE, PROJECT
from tests.seeds import seeds_from

TEMPLATES = Path(__file__).parents[2] / "feature_repo_template"
MORE = """
sources:
  - name: routes_source
    path: data/routes.csv
    event_time: at
    columns: {origin: string, dest: string, at: timestamp, minutes: float64}
    csv: {null_values: [NA, ""], separator: ";"}
    dedup_key: [origin, at]
    freshness: {warn_after: 1d, error_after: 3d}
feature_views:
  - name: block
    entity: carrier
    join: {carrier: origin}
    source: [routes_source, arrivals]
    transform: transforms/block.py:block
    lookback: 30d
    features: [{name: block_p50, type: float64, description: "Half of them: shorter"}]
models:
  - name: m
    spine: {source: flights, time: at, label: {name: late, expr: arr_delay > 15}}
    features:
      - delays: [trend, count_1d]
      - {view: facts, join: {airport: origin}, prefix: origin_, features: [alt]}
      - request: {distance: int64}
      - derived: [{name: double, expr: distance * 2}]
    trainer: {estimator: lightgbm.LGBMClassifier, params: {max_depth: 7, learning_rate: 0.1}, seed: 7}
"""
CODE = 'import polars as pl\n\n\ndef block(rows, more):\n    """Half."""\n    return rows  # all\n'


class _Plain(yaml.SafeLoader):
    """Reads numbers and true, false, null as such, and instants as texts, as repositories do."""


_Plain.yaml_implicit_resolvers = {
    first: [(tag, shape) for tag, shape in found if not tag.endswith(":timestamp")]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def written(root, files):
    shutil.rmtree(root, ignore_errors=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def prints(root):
    repo = load_repo(root, None)
    assert not repo.errors, repo.errors
    return {(item.kind, item.name): fingerprints(item.spec) for item in desired_objects(repo)}


class Writer:
    """Writes data as YAML in a style that is drawn anew for each value, with comments and blank lines."""

    def __init__(self, chance):
        self._chance = chance

    def text(self, value, indent=0):
        """Return a value as a block whose lines begin at an indent, or in one line."""
        if not isinstance(value, dict | list) or not value or self._chance.random() < 0.2:
            return self._flow(value)
        lines = []
        for key, item in self._items(value):
            lead = f"{' ' * indent}{'- ' if key is None else f'{self._key(key)}: '}"
            below = indent + self._chance.choice([2, 4])
            body = self.text(item, below)
            nested = body.startswith("\n")
            lines.append(f"{lead.rstrip() if nested else lead}{body}{self._comment()}")
            if self._chance.random() < 0.1:
                lines.append(f"{' ' * self._chance.randrange(8)}# a remark: [not, read]")
        return "\n" + "\n".join(lines)

    def _items(self, value):
        if isinstance(value, list):
            return [(None, item) for item in value]
        items = list(value.items())
        self._chance.shuffle(items)
        return items

    def _flow(self, value):
        if isinstance(value, dict):
            pairs = [f"{self._key(key)}: {self._flow(item)}" for key, item in self._items(value)]
            return "{" + ", ".join(pairs) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(self._flow(item) for item in value) + "]"
        if not isinstance(value, str):
            return json.dumps(value)
        if self._chance.random() < 0.5:
            return "'" + value.replace("'", "''") + "'"
        return json.dumps(value, ensure_ascii=False)

    def _key(self, key):
        return self._chance.choice([key, f'"{key}"', f"'{key}'"])

    def _comment(self):
        return "  # said in passing" if self._chance.random() < 0.1 else ""


def rewritten(files, chance):
    """Return the files with the same objects, in other styles, another order and other files."""
    project = files["featurectl.yaml"]
    kept = {name: text for name, text in files.items() if not name.endswith(".yaml") or name.startswith("data/")}
    objects = [
        (key, item)
        for name, text in files.items()
        if name.endswith(".yaml") and name != "featurectl.yaml"
        for key, items in yaml.load(text, _Plain).items()  # noqa: S506  # a loader that makes texts alone
        for item in items
    ]
    chance.shuffle(objects)
    names = [f"{chance.choice(['', 'a/', 'deep/er/'])}f{number}.yaml" for number in range(chance.randint(1, 5))]
    spread = {}
    for key, item in objects:
        spread.setdefault(chance.choice(names), {}).setdefault(key, []).append(item)
    writer = Writer(chance)
    made = {name: writer.text(content).lstrip("\n") + "\n" for name, content in spread.items()}
    return kept | made | {"featurectl.yaml": f"# ours\n{project}"}


def template(name):
    root = TEMPLATES / name
    paths = [p for p in root.rglob("*") if p.suffix in (".yaml", ".py") and "data" not in p.relative_to(root).parts]
    return {str(p.relative_to(root)): p.read_text() for p in paths} | {"featurectl.yaml": PROJECT}


REPOSITORIES = {
    "small": {"featurectl.yaml": PROJECT, "base.yaml": BASE, "more.yaml": MORE, "transforms/block.py": CODE},
    "flights": template("flights"),
    "minimal": template("minimal"),
}


def check(name, seed, root):
    files = REPOSITORIES[name]
    before = prints(written(root, files))
    assert {key for text in files.values() if "feature_views:" in text for key in yaml.safe_load(text)} <= set(LISTS)
    after = prints(written(root, rewritten(files, random.Random(seed))))
    assert after == before


@pytest.mark.parametrize("name", REPOSITORIES)
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.sample(8)
def test_style_order_comments_and_files_move_no_fingerprint(name, seed, tmp_path):
    check(name, seed, tmp_path / "repo")


@pytest.mark.stress
@pytest.mark.parametrize("name", REPOSITORIES)
def test_style_order_comments_and_files_move_no_fingerprint_many(name, tmp_path):
    for seed in seeds_from(100, 1_100):
        check(name, seed, tmp_path / f"repo-{seed}")


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        ("    return rows  # all\n", "    return rows\n", False),
        ('    """Half."""\n', "", False),
        ("    return rows", "    return (\n        rows\n    )", False),
        ("    return rows", "    return more", True),
        ("import polars as pl", "import polars as pl\nLIMIT = 3", True),
    ],
)
def test_a_transform_counts_by_what_its_file_says(old, new, moves, tmp_path):
    files = REPOSITORIES["small"]
    before = prints(written(tmp_path / "a", files))
    after = prints(written(tmp_path / "b", files | {"transforms/block.py": CODE.replace(old, new, 1)}))
    changed = {key for key in before if before[key] != after[key]}
    assert changed == ({("feature_view", "block")} if moves else set())


def test_a_transform_that_moved_keeps_its_values(tmp_path):
    files = REPOSITORIES["small"]
    before = prints(written(tmp_path / "a", files))[("feature_view", "block")]
    moved = {
        "lib/block.py" if name == "transforms/block.py" else name: text.replace("transforms/block", "lib/block")
        for name, text in files.items()
    }
    after = prints(written(tmp_path / "b", moved))[("feature_view", "block")]
    assert (after.data, after.features) == (before.data, before.features)
    assert after.metadata != before.metadata


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[routes_source, arrivals]", "[arrivals, routes_source]"),
        ("lookback: 30d", "lookback: 31d"),
        ("block.py:block", "block.py:other"),
        ("minutes: float64", "minutes: int64"),
        ("type: float64", "type: int64"),
    ],
)
def test_what_a_transform_is_given_counts(old, new, tmp_path):
    code = CODE + "\n\ndef other(rows, more):\n    return more\n"
    files = REPOSITORIES["small"] | {"transforms/block.py": code}
    before = prints(written(tmp_path / "a", files))[("feature_view", "block")]
    changed = files | {"more.yaml": MORE.replace(old, new, 1)}
    assert changed != files
    assert prints(written(tmp_path / "b", changed))[("feature_view", "block")].data != before.data
