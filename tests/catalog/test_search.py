"""Objects found by words, the best first."""

from __future__ import annotations

import json

import pytest

from featurectl.cli.main import main

pytestmark = pytest.mark.usefixtures("shop")


def found(capsys: pytest.CaptureFixture[str], *words: str) -> list[tuple[str, str]]:
    """Return kinds and names of what is found."""
    assert main(["search", *words, "-o", "json"]) == 0
    return [(hit["kind"], hit["name"]) for hit in json.loads(capsys.readouterr().out)["result"]["hits"]]


@pytest.mark.parametrize(
    ("words", "first", "count"),
    [
        (["spend"], ("view", "spend"), None),
        (["SPEND"], ("view", "spend"), None),
        (["per_order"], ("feature", "spend:per_order"), 1),
        (["money"], ("view", "spend"), 9),  # a tag, of the view and its features, and of a pipeline
        (["percentile", "paid"], ("feature", "spend:high_3d_offset_1d"), 1),
        (["buys"], ("entity", "customer"), 1),
        (["growth@example.com"], ("view", "spend"), 9),
        (["ops"], ("notifier", "ops"), 1),
        (["nothing", "spend"], None, 0),
    ],
)
def test_all_words_are_found_in_any_text_names_first(capsys, words, first, count):
    hits = found(capsys, *words)
    assert (hits[0] if hits else None) == first
    assert count is None or len(hits) == count


def test_only_objects_of_a_kind_are_found_where_one_is_named(capsys):
    assert {kind for kind, _ in found(capsys, "order", "--kind", "sources")} == {"source"}


def test_secrets_of_addresses_are_not_found(capsys):
    assert found(capsys, "secret") == []


def test_no_words_are_an_error(capsys):
    assert main(["search", " "]) == 64
    assert "nothing to search for" in capsys.readouterr().err
