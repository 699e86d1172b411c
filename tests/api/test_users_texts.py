"""What is the user's in pages, tables, warnings and errors stays as it is written, whatever words are in it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featurectl
from featurectl.api.project import _words
from featurectl.api.users_texts import texts_in
from featurectl.core.errors import FeaturectlError, UsageError
from featurectl.core.parts_failed import PartsFailedError
from featurectl.monitor.freshness import FreshnessRow
from tests.catalog.shop import OBJECTS, PROJECT, write_files

WORDS = ("featurectl push", "featurectl get spend", "--env prod", "--env", "--full", "push --full", "--as-of T", "then",
         "run", "it", "(see", "wiki)", "`featurectl status`", "é", "a:b", "%")  # fmt: skip
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
OURS = "featurectl push --full spend"
SAID = 'project.push("spend", full=True)'
TEXT = "Rebuild by featurectl push --full spend --env prod, or with --env or --full"


@given(text=TEXTS)
@settings(max_examples=50)
def test_a_users_text_stays_wherever_it_stands_in_ours(text):
    def said(line):
        return _words().of(line, "push", lambda: [text])

    assert said(text) == text
    assert said(f"description  {text}  -") == f"description  {text}  -"
    assert said(f"{text}: {OURS}").startswith(f"{text}: ")
    for line in (f"source {text}\n{OURS}", f"{text}  |  {OURS}"):
        assert said(line) in (line.replace(OURS, SAID), line)
    if OURS not in text and "push" not in text:
        assert said(f"source {text}\n{OURS}").endswith(f"\n{SAID}")
    quoted = f"no view {text!r} is applied\n{OURS}"
    assert _words().of(quoted, "push") == quoted.replace(OURS, SAID)


@given(text=TEXTS, width=st.integers(8, 40))
@settings(max_examples=50)
def test_a_users_text_stays_where_it_is_cut_or_goes_on_in_the_next_line(text, width):
    cut = f"spend  {text[:width].rstrip()}…"
    assert _words().of(cut, "push", lambda: [text]) == cut
    first, second = text[:width].rpartition(" ")[::2]
    lines = f"spend  {first}\n       {second}{text[width:]}  7"
    assert _words().of(lines, "push", lambda: [text]) == lines


def test_sentences_of_ours_in_a_result_are_none_of_the_users():
    row = FreshnessRow(kind="view", name=TEXT, verdict="OK", note=OURS, error=OURS)
    assert [text for text in texts_in([row]) if "featurectl" in text] == [TEXT]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A shop in which people have written commands and options wherever they may."""
    root = tmp_path_factory.mktemp("shop")
    write_files(root, "status <> 'featurectl push --full'")
    texts = OBJECTS.replace("WHERE", "status <> 'featurectl push --full'")
    for said in ("Who buys.", "One row an order.", "What a customer spends.", "How many orders."):
        texts = texts.replace(f"description: {said}", f'description: "{TEXT}"')
    texts = texts.replace("growth@example.com", '"team --env"').replace("tags: [money]", 'tags: ["--full", "--env x"]')
    texts = re.sub("description: Will.*", f'description: "{TEXT}"', texts)
    (root / "objects.yaml").write_text(texts)
    (root / "featurectl.yaml").write_text(PROJECT)
    orders = root / "orders.csv"
    orders.write_text(orders.read_text().replace("open", "featurectl push --full").replace("c6", "--env prod"))
    project = featurectl.open_project(root)
    project.apply()
    project.materialize()
    return root


@pytest.fixture
def project(root, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.chdir(root)
    return featurectl.open_project(root)


@pytest.mark.parametrize(
    ("call", "texts"),
    [
        (lambda p: p.show("spend"), (TEXT, "team --env", "--full, --env x", "status <> 'featurectl push --full'")),
        (lambda p: p.show("spend:count_7d"), (TEXT,)),
        (lambda p: p.show("big"), (TEXT, "team --env")),
        (lambda p: p.show("customer"), (TEXT,)),
        (lambda p: p.list(), (TEXT,)),
        (lambda p: p.list("features"), (TEXT,)),
        (lambda p: p.search("rebuild"), (TEXT,)),
        (lambda p: p.why("last_order", customer="--env prod", day="2026-01-02"), ("--env prod",)),
        (lambda p: p.history(), ()),
        (lambda p: p.status(), ()),
    ],
)
@pytest.mark.sample(5)
def test_pages_and_tables_show_what_users_wrote(project, call, texts):
    found = call(project)
    for shown in (repr(found), found._repr_html_().replace("&#x27;", "'").replace("&gt;", ">").replace("&lt;", "<")):
        for text in texts:
            assert text in shown
        assert "open_project(env=" not in shown


def test_a_plan_shows_what_users_wrote(root, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    for name in ("objects.yaml", "featurectl.yaml", "orders.csv"):
        (tmp_path / name).write_text((root / name).read_text())
    shown = repr(featurectl.open_project(tmp_path).plan())
    assert "open_project(" not in shown
    assert ".push(" not in shown


def test_errors_show_what_was_given_and_what_users_wrote(project):
    for call in (
        lambda: project.show(TEXT),
        lambda: project.get("spend", {"customer --env prod": "x"}),
        lambda: project.training_set("big", spine="no --env prod/spine.csv"),
        lambda: project.why("last_order", customer="--env prod", day="featurectl push --full spend"),
        lambda: featurectl.open_project("no --env prod"),
    ):
        with pytest.raises(FeaturectlError) as caught:
            call()
        assert "open_project(env=" not in str(caught.value)
        assert "project.push(" not in str(caught.value)
    with pytest.raises(UsageError, match="--env prod"):
        featurectl.open_project("no --env prod")


def test_what_a_users_function_raises_is_told_in_its_words(tmp_path):
    write_files(tmp_path)
    (tmp_path / "objects.yaml").write_text(OBJECTS.replace("WHERE", "amount > 0").partition("models:")[0])
    (tmp_path / "f.py").write_text(f"def made(orders):\n    raise ValueError({TEXT!r})\n")
    (tmp_path / "t.yaml").write_text(
        "feature_views:\n  - name: made\n    entity: customer\n    source: orders\n"
        "    transform: f.py:made\n    features: [{name: n, type: int64}]\n"
    )
    project = featurectl.open_project(tmp_path)
    project.apply()
    with pytest.raises(PartsFailedError) as caught:
        project.materialize("made")
    assert TEXT in str(caught.value)
    assert TEXT in repr(project.why("made"))
    assert "__cause__ has the whole traceback" in str(caught.value)
