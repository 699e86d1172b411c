"""What a URL of DynamoDB says, and what is said of one that is none."""

from __future__ import annotations

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import UsageError
from featurectl.online.all_stores import (
    check_keeps_streams,
    open_async_reader,
    open_online,
    open_request_keys,
    open_stream_state,
)
from featurectl.online.dynamodb.address import parse_address


def test_a_url_has_a_region_and_a_table_and_perhaps_more():
    found = parse_address("dynamodb://eu-central-1/features", "on")
    assert (found.region, found.table, found.endpoint, found.is_consistent) == ("eu-central-1", "features", "", True)
    found = parse_address("dynamodb://local/a.b-c_D?endpoint=http://127.0.0.1:8000&reads=eventual", "on")
    assert (found.region, found.table) == ("local", "a.b-c_D")
    assert (found.endpoint, found.is_consistent) == ("http://127.0.0.1:8000", False)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("dynamodb://", "is no URL of DynamoDB"),
        ("dynamodb://eu-central-1", "is no URL of DynamoDB"),
        ("dynamodb://eu-central-1/ab", "is no URL of DynamoDB"),
        ("dynamodb://eu-central-1/a/b/c", "is no URL of DynamoDB"),
        ("dynamodb://eu-central-1:8000/features", "is no URL of DynamoDB"),
        ("dynamodb://ana:s3cret@eu-central-1/features", "is no URL of DynamoDB"),
        ("dynamodb://eu-central-1/features?endpoint", "is no URL of DynamoDB"),
        ("dynamodb://eu-central-1/features?endpont=http://h", 'has no parameter "endpont"'),
        ("dynamodb://eu-central-1/features?reads=often", "has no reads=often"),
        ("dynamodb://eu-central-1/features?endpoint=h:8000", "endpoint of the online store"),
        ("dynamodb://eu-central-1/features?endpoint=http://a:b@h", "endpoint of the online store"),
    ],
)
@pytest.mark.parametrize(
    "opener",
    [open_online, lambda url: open_async_reader(url, "on", 1.0), lambda url: open_request_keys(url, "on", 1.0)],
)
def test_a_url_that_is_none_is_wrong_usage(url, said, opener):
    with pytest.raises(UsageError, match=said) as caught:
        opener(url)
    assert "s3cret" not in str(caught.value)


def test_an_unknown_parameter_is_answered_with_those_that_there_are():
    with pytest.raises(UsageError) as caught:
        parse_address("dynamodb://eu-central-1/features?endpont=http://h", "on")
    assert caught.value.hint == 'did you mean "endpoint"?; parameters of DynamoDB: endpoint, reads'


def test_the_state_of_streams_is_refused_by_name():
    with pytest.raises(UsageError, match="keeps no state of streams: DynamoDB does not") as caught:
        open_stream_state("dynamodb://eu-central-1/features")
    assert "redis://" in caught.value.hint
    for url in ("redis://host", "sqlite:///a.db", "postgresql://h/d"):
        check_keeps_streams(url, "on")
    with pytest.raises(UsageError, match="on keeps no state of streams"):
        check_keeps_streams("dynamodb://eu-central-1/features", "on")


@pytest.mark.parametrize("command", [["plan"], ["apply", "--auto-approve"]])
@pytest.mark.sample(1)
def test_views_of_streams_are_refused_before_anything_is_applied(tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "cards", "--template", "swipes", "-q"]) == 0
    monkeypatch.chdir(tmp_path / "cards")
    project = tmp_path / "cards" / "featurectl.yaml"
    text = project.read_text()
    project.write_text(text.replace("sqlite:///.featurectl/online.db", "dynamodb://eu-central-1/features", 1))
    assert main(command) == 64
    assert "keeps no state of streams: DynamoDB does not in this version" in capsys.readouterr().err
    assert not (tmp_path / "cards" / ".featurectl" / "offline").exists()
