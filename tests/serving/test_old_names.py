"""A server answers for a feature that was renamed by its name and by its alias, and says what it is called now."""

from __future__ import annotations

import pytest

from tests.cli.renamed_shop import EVENTS, LATEST, MODEL, RENAMED, RenamedShop
from tests.serving.trial import wait_until

USERS = {"user": [1, 2]}


@pytest.fixture
def shop(tmp_path):
    made = RenamedShop(tmp_path, EVENTS + LATEST + MODEL)
    made.bring_up().train("m")
    return made


def asked(client, *features):
    answer = client.post("/v1/features", json={"features": features, "entities": USERS})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return {name: column["values"] for name, column in found["features"].items()}, found.get("warnings")


def predicted(client):
    answer = client.post("/v1/predict/m", json={"rows": [{"user": 1}, {"user": 2}]})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_running_server_takes_a_rename_and_goes_on(shop, opened):
    client = opened(shop.root, reload_s=0.05, timeout_s=20.0)
    before, said = asked(client, "payments:spend_7d", "latest:total")
    scores = predicted(client)["rows"]
    assert said is None
    shop.change(*RENAMED)
    shop.bring_up()
    wait_until(lambda: "paid_7d" in str(client.get("/v1/views").json()["views"]))
    views = {view["view"]: view["features"] for view in client.get("/v1/views").json()["views"]}
    assert list(views["payments"]) == ["paid_7d", "paid_1d", "large_7d", "share"]
    told = [
        "payments:spend_7d is called payments:paid_7d now",
        "latest:total is called latest:double now",
    ]
    assert asked(client, "payments:spend_7d", "latest:total") == (before, told)
    now, said = asked(client, "payments:paid_7d", "latest:double")
    assert ([*now], [*now.values()], said) == (["paid_7d", "double"], [*before.values()], None)
    assert predicted(client)["rows"] == scores
    wrong = client.post("/v1/features", json={"features": ["payments:gone"], "entities": USERS})
    assert (wrong.status_code, "paid_7d" in wrong.json()["hint"]) == (404, True)
