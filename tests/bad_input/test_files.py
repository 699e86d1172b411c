"""Wrong files: the place, what was found, what is allowed, one suggestion; exit 1; nothing is made."""

from __future__ import annotations

import pytest

FIRST = "{op: count, windows: [7d]}"
LAST = "{name: last_order, entity: customer, source: orders, features: [amount]}"
KEYS = "keys: op, windows, column, name, n, q, where, offset, default, freshness, description, aliases"

# what it is, a text of objects.yaml, what stands there instead, the first problem as it is drawn without its excerpt
WRONG = [
    ("a wrong key", FIRST, "{op: count, windw: [7d]}",
     ':14:21: error[FC102]: unknown key "windw" in this aggregate', 'did you mean "windows"?', KEYS),
    ("a wrong type", FIRST, "{op: count, windows: {a: 1}}",
     ":14:30: error[FC101]: expected a list, found a mapping", "^^^^^^", ""),
    ("a number where a name stands", "name: last_order", "name: 7", ':16:12: error[FC105]: "7" is no name', "^", ""),
    ("a missing key", "source: orders, features", "features",
     ':16:12: error[FC103]: no "source" in feature view "last_order"', "^^^^^^^^^^", ""),
    ("an unknown reference", "entity: customer, source: orders, f", "entity: custmer, source: orders, f",
     ':16:32: error[FC201]: no entity "custmer"', 'did you mean "customer"?',
     'entity "customer" is declared here: objects.yaml:2:12'),
    ("an unknown feature", "count_7d, amount_sum_7d]", "count_7d, amount_sum_8d]",
     ':20:35: error[FC201]: feature view "spend" has no feature "amount_sum_8d"', 'did you mean "amount_sum_7d"?',
     '"spend" is declared here: objects.yaml:10:11'),
    ("an unknown column", "features: [amount]", "features: [amont]",
     ':16:69: error[FC301]: no column "amont"', 'did you mean "amount"?', ""),
    ("an unknown column of an expression", "features: [amount]", "features: [{name: x, expr: 2 * amont}]",
     ':16:89: error[FC301]: no column "amont"', 'did you mean "amount"?', ""),
    ("a duplicate name", "name: last_order", "name: spend",
     ':16:12: error[FC202]: two feature views are named "spend"', "^^^^^",
     "the other one stands here: objects.yaml:10:11"),
    ("a duplicate key of YAML", "path: data/asks.csv,", "path: data/asks.csv, path: b.csv,",
     ':8:39: error[FC004]: the key "path" stands twice in one mapping', "^^^^",
     "it stands here first: objects.yaml:8:18"),
    ("a path of unknown form", "data/asks.csv", "data/asks.xlsx",
     ':8:24: error[FC104]: what format is "data/asks.xlsx"?', "one of parquet csv ndjson delta", ""),
    ("no YAML", "entities:", "entities: [", ":2:3: error[FC002]: not YAML", "^", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "head", "near", "note"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG]
)
@pytest.mark.parametrize("command", [("validate",), ("apply", "--auto-approve")], ids=["validate", "apply"])
def test_a_wrong_file_has_a_place_and_leaves_nothing(shop, command, old, new, head, near, note):  # noqa: PLR0913, PLR0917  # fixtures and the columns of its table
    shop.change("objects.yaml", old, new)
    said = shop.fails(1, *command)
    assert said.startswith("objects.yaml:")
    assert f"objects.yaml{head}" in said
    assert near in said
    assert note in said
    assert said.count("did you mean") <= said.count("error[")
    assert said.splitlines()[-1].endswith("in 1 of 2 files. Nothing was changed.")
    assert not (shop.root / ".featurectl").exists()


def test_the_drawing_of_a_problem_is_this(shop):
    shop.change("objects.yaml", FIRST, "{op: count, windw: [7d]}")
    assert shop.fails(1, "validate") == (
        'objects.yaml:14:21: error[FC102]: unknown key "windw" in this aggregate\n'
        "   |\n"
        "13 |     aggregates:\n"
        "14 |       - {op: count, windw: [7d]}\n"
        '   |                     ^^^^^ did you mean "windows"?\n'
        "   |\n"
        "   = keys: op, windows, column, name, n, q, where, offset, default, freshness, description, aliases\n"
        "\n"
        "1 error in 1 of 2 files. Nothing was changed.\n"
    )


@pytest.mark.parametrize(
    "command",
    [("plan",), ("materialize", "--select", "path:o*"), ("train", "pays"), ("test",),
     ("training-set", "pays", "--out", "x.csv"), ("score", "pays", "--out", "x.csv"), ("push", "--select", "path:o*")],
    ids=lambda argv: argv[0],
)  # fmt: skip
def test_no_command_that_needs_the_files_runs_on_wrong_ones(live, command):
    live.change("objects.yaml", LAST, LAST.replace("entity: customer", "entity: custmer"))
    assert 'objects.yaml:16:32: error[FC201]: no entity "custmer"' in live.fails(1, *command)


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_repository_says_so(shop, text):
    shop.write("objects.yaml", text)
    for command in ("validate", "plan", "apply", "materialize", "test"):
        said = shop.fails(1, command)
        assert said.startswith("featurectl.yaml: error[FC203]: nothing is declared: no entity, source, feature view")


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "featurectl.yaml: error[FC103]: the file is empty: it needs a project and its environments"),
     ("# later\n", "featurectl.yaml: error[FC103]: the file is empty: it needs a project and its environments"),
     ("project: shop\n", 'featurectl.yaml:1:1: error[FC103]: no "environments"'),
     ("project: shop\nenvironments: {}\n", "featurectl.yaml:2:15: error[FC104]: expected at least one key"),
     ("- shop\n", "featurectl.yaml:1:1: error[FC101]: expected a mapping, found a list")],
)  # fmt: skip
def test_a_project_file_without_its_keys_is_refused_by_every_command(shop, text, said):
    shop.write("featurectl.yaml", text)
    for command in ("validate", "plan", "apply", "materialize", "status"):
        assert shop.fails(1, command).startswith(said)


def test_a_file_that_is_no_text_is_named(shop):
    (shop.root / "more.yaml").write_bytes(b"entities:\n  - \xff\n")
    assert "more.yaml:2:5: error[FC001]: the file is not UTF-8: byte 0xff" in shop.fails(1, "validate")
    (shop.root / "more.yaml").unlink()
    (shop.root / "more.yaml").symlink_to("nowhere.yaml")
    assert "more.yaml: error[FC001]: the file can't be read: No such file or directory" in shop.fails(1, "plan")


@pytest.mark.parametrize("key", ["bucket", "event_time", "available_at", "tie_order", "tie_0", "computed_at", "asof"])
def test_a_key_can_not_be_named_like_a_column_of_every_table(shop, key):
    text = (shop.root / "objects.yaml").read_text()
    shop.write("objects.yaml", text.replace("keys: {customer: string}", f"keys: {{{key}: string}}"))
    said = shop.fails(1, "validate")
    assert f'objects.yaml:2:29: error[FC105]: "{key}" is a column that every view has, it can\'t be a key' in said
    assert f"  = give the key another name: `join: {{NAME: {key}}}` of a view maps it" in said


@pytest.mark.parametrize("name", ["bucket", "event_time", "available_at", "tie_order", "tie_0", "computed_at", "asof"])
def test_a_feature_can_not_be_named_like_a_column_of_every_table(shop, name):
    shop.change("objects.yaml", "features: [amount]", f"features: [{{name: {name}, expr: amount}}]")
    said = shop.fails(1, "validate")
    assert f'error[FC105]: "{name}" is a column that every view has; give the feature another name' in said


def test_a_column_beside_the_score_can_not_have_its_name(shop):
    shop.change("objects.yaml", "    trainer:", "    output: {name: n}\n    trainer:")
    assert 'objects.yaml:21:20: error[FC205]: "n" is a column of the spine already' in shop.fails(1, "validate")
    shop.change("objects.yaml", "output: {name: n}", "output: {name: model_version}")
    assert '"model_version" is a column of every table of scores already' in shop.fails(1, "validate")


def test_the_time_of_a_row_has_its_name_alone(shop):
    shop.change("objects.yaml", "{request: {n: int64}}", "{request: {n: int64}}, {derived: [{name: asof, expr: n}]}")
    assert 'error[FC105]: "asof" is the time of the row; give the column another name' in shop.fails(1, "validate")


SOON = "label: {name: back, entity: customer, source: orders, op: count, horizon: 1d, expr: count > 0}"
BAD_LABELS = [
    (("op: count", "op: sum"), 'error[FC304]: sum needs a "column"'),
    (("op: count", "op: percentile, column: amount"), 'error[FC304]: percentile needs "q", which a label lacks'),
    (("op: count", "op: mode"), 'error[FC104]: no aggregate "mode"'),
    (("expr: count", "expr: orders_count"), 'error[FC301]: no column "orders_count"'),
    (
        ("entity: customer", "entity: shop"),
        'error[FC301]: the spine has no column "shop", a key of the label\'s entity',
    ),
]


@pytest.mark.parametrize(("change", "told"), BAD_LABELS)
def test_a_horizon_label_that_can_not_be_computed_is_named_before_reading(shop, change, told):
    shop.change("objects.yaml", "label: {name: paid}", SOON.replace(*change))
    shop.change(
        "objects.yaml", "{name: customer, keys", "{name: shop, keys: {shop: string}}\n  - {name: customer, keys"
    )
    assert told in shop.fails(1, "validate")


def test_a_part_of_the_language_that_is_not_run_is_valid_and_not_applied(shop):
    shop.change("featurectl.yaml", "    online:", "    engine: {type: spark}\n    online:")
    valid = shop.run("validate")
    assert valid.code == 0
    assert "warning[FC402]: the engine spark is not in this version" in valid.err
    said = shop.fails(1, "apply", "--auto-approve")
    assert "error[FC402]: the engine spark is not in this version" in said
    assert not (shop.root / ".featurectl").exists()


@pytest.mark.parametrize(
    ("what", "line"),
    [("the engine spark is", "engine: {type: spark}")],
)
def test_an_environment_that_is_not_run_is_valid_and_not_applied(shop, what, line):
    shop.change("featurectl.yaml", "    now:", f"    {line}\n    now:")
    assert f"warning[FC402]: {what} not in this version" in shop.run("validate").err
    assert f"error[FC402]: {what} not in this version" in shop.fails(1, "apply", "--auto-approve")
    assert not (shop.root / ".featurectl").exists()
