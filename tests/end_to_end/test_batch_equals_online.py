"""A batch score at T is the model's score of what the online store answers at T."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest

from featurectl.models.served_model import load_served
from tests.end_to_end.compare import compare_values
from tests.end_to_end.declared import read_columns
from tests.end_to_end.flights import Repository
from tests.end_to_end.readers import open_readers
from tests.end_to_end.served import SERVED, add_environment, online_rows, scores_by_hand, write_requests

pytestmark = pytest.mark.long  # of weeks of flights

AT = datetime(2013, 12, 5, 15, 30, tzinfo=UTC)
REQUESTS, SEED = 300, 5


@pytest.fixture(scope="module")
def served(flights, tmp_path_factory) -> Repository:
    """The six weeks with an environment of its own that was materialized as of AT, and a model trained there."""
    repository = flights.copy(tmp_path_factory.mktemp("served") / "flights")
    add_environment(repository)
    repository.run("apply", "--auto-approve", *SERVED)
    repository.run("materialize", *SERVED, "--as-of", AT.isoformat())
    repository.run("train", "late_arrival", *SERVED)
    write_requests(repository, AT, REQUESTS, SEED)
    return repository


@pytest.fixture(scope="module")
def requests(served) -> pl.DataFrame:
    """The spine: rows that are all asked at AT."""
    return pl.read_parquet(served.root / "requests.parquet")


@pytest.fixture(scope="module")
def online(served, requests):
    """What the store answers for them at AT."""
    return online_rows(served, "served", "late_arrival", requests, AT)


def batch(repository, command, *words) -> pl.DataFrame:
    """Return what a command writes for the spine of requests."""
    out, spine = repository.root / "out.parquet", repository.root / "requests.parquet"
    repository.run(command, "late_arrival", *SERVED, "--spine", str(spine), "--out", str(out), *words)
    return pl.read_parquet(out)


@pytest.fixture(scope="module")
def scored(served) -> pl.DataFrame:
    """The scores in batch."""
    return batch(served, "score", "--as-of", AT.isoformat())


@pytest.fixture(scope="module")
def trained(served) -> pl.DataFrame:
    """The training set of the requests."""
    return batch(served, "training-set")


@pytest.mark.long
def test_batch_scores_are_the_model_s_scores_of_the_online_values(served, requests, scored, online):
    by_hand = scores_by_hand(served, "served", "late_arrival", online, AT)
    assert scored.height == requests.height == REQUESTS + 4
    assert np.abs(scored["p_late"].to_numpy() - by_hand).max() <= 1e-12
    assert scored["p_late"].n_unique() > REQUESTS / 2
    assert scored.select(requests.columns).equals(requests.cast(scored.select(requests.columns).schema))


def test_a_training_set_at_t_has_the_online_values(served, trained, online):
    for column in read_columns(served.root, "late_arrival"):
        found = compare_values(trained[column.name].to_list(), [row[column.name] for row in online])
        assert found.different == 0, column.name


def test_a_flight_that_nobody_has_heard_of_has_a_score_too(online):
    stranger_carrier, stranger_dest, stranger_plane, no_plane = online[-4:]
    assert stranger_carrier["carrier_arr_delay_mean_1d"] is None
    assert stranger_dest["dest_arr_delay_mean_6h"] is stranger_dest["dest_alt"] is None
    assert stranger_plane["plane_hours_since_landing"] is no_plane["plane_hours_since_landing"] is None
    assert stranger_plane["engine"] == no_plane["engine"] == "unknown"


def test_another_online_value_is_another_score(served, online):
    """The comparison can fail: the scores follow the values that the store gave."""
    wrong = [dict(row, origin_left_late_rate_1h=0.9, temp=-20.0) for row in online]
    by_hand = scores_by_hand(served, "served", "late_arrival", online, AT)
    assert np.abs(scores_by_hand(served, "served", "late_arrival", wrong, AT) - by_hand).max() > 1e-3


@pytest.fixture(params=["onnx", "txt"])
def formats(request, monkeypatch) -> list[str]:
    """Makes a server answer by the model's ONNX file, or by that of the library; gathers what it loads."""
    loaded = [request.param]

    def load(version, location, leave):
        found = load_served(version if request.param == "onnx" else replace(version, onnx=""), location, leave)
        loaded.append(found.format)
        return found

    monkeypatch.setattr("featurectl.serving.project.served_project.load_served", load)
    return loaded


def test_scores_over_http_are_those_in_batch_and_those_of_the_library(served, requests, scored, trained, formats):
    scored = scored["p_late"].to_numpy()
    trained = scores_by_hand(served, "served", "late_arrival", trained.to_dicts(), AT)
    with open_readers(served, "served") as readers:
        body = {"rows": requests.drop(cs.temporal()).to_dicts(), "time": AT.isoformat()}
        answer = readers.http.post("/v1/predict/late_arrival", json=body)
        assert answer.status_code == 200, answer.text
    assert formats in (["onnx"] * 2, ["txt"] * 2)
    answered = np.array([row["score"] for row in answer.json()["rows"]])
    assert len(answered) == len(scored) == REQUESTS + 4
    for ours, theirs in itertools.pairwise([trained, scored, answered, trained]):
        assert np.abs(ours - theirs).max() <= 1e-6
    assert len(np.unique(answered)) > REQUESTS / 2
