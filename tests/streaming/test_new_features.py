"""A feature that was just applied is not online until lists have it: it is refused, and the others are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import featurectl
from featurectl.cli.main import main
from featurectl.core.errors import DataError
from featurectl.online.client.project_schema import ProjectSchema
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from tests.streaming.session.swipes import OBJECTS, Swipes

pytestmark = pytest.mark.long
OLD = ["spend:amount_sum_1h", "spend:amount_count_1h"]
WIDER = OBJECTS.replace("windows: [1h]", "windows: [1h, 3h]") + (
    "    derived:\n"
    "      - {name: double, expr: amount_sum_1h * 2}\n"
    "      - {name: share, expr: amount_sum_1h / amount_sum_3h}\n"
    "      - {name: percent, expr: share * 100}\n"
)
REFUSED = "of view spend@1 is not online yet: no worker of the stream swipes has made lists that have it"


def worked(root: Path) -> Swipes:
    """A stream of which a worker has taken all; its view has got features since."""
    swipes = Swipes(root=root)
    swipes.send(2)
    work(root)
    swipes.apply(WIDER)
    return swipes


def work(root: Path) -> None:
    assert main(["stream", "run", "-C", str(root), "-q", "--once"]) == 0


def serving(root: Path) -> TestClient:
    return TestClient(open_app(ServeSettings(root=str(root), timeout_s=20, store_timeout_s=10)))


def by_client(root: Path, features: Sequence[str]) -> dict[str, object]:
    with featurectl.open_client(root) as client:
        return first_row(client.get(features, {"card": ["c1"]}))


def by_async_client(root: Path, features: Sequence[str]) -> dict[str, object]:
    async def read() -> dict[str, object]:
        async with featurectl.open_async_client(root, budget_s=20) as client:
            return first_row(await client.get(features, {"card": ["c1"]}))

    return asyncio.run(read())


def first_row(found: Any) -> dict[str, object]:
    return {name: column.values[0] for name, column in found.columns.items()}


@pytest.mark.parametrize("name", ["amount_sum_3h", "percent"])
@pytest.mark.parametrize("read", [by_client, by_async_client])
def test_clients_refuse_it_and_read_the_others(tmp_path: Path, read: Any, name: str):
    worked(tmp_path)
    with pytest.raises(DataError, match=f"feature {name} {REFUSED}") as refused:
        read(tmp_path, [f"spend:{name}"])
    assert (refused.value.code, refused.value.hint) == ("FC550", "featurectl stream run swipes")
    assert read(tmp_path, [*OLD, "spend:double"]) == {"amount_sum_1h": 102.0, "amount_count_1h": 3, "double": 204.0}
    work(tmp_path)
    assert read(tmp_path, ["spend:amount_sum_3h", "spend:percent"]) == {"amount_sum_3h": 102.0, "percent": 100.0}


def test_get_refuses_it_and_reads_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    worked(tmp_path)

    def get(what: str) -> tuple[int, str]:
        code = main(["get", "-C", str(tmp_path), what, "card=c1"])
        found = capsys.readouterr()
        return code, found.out + found.err

    code, told = get("spend:percent")
    assert (code, f"feature percent {REFUSED}" in told, "FC550" in told) == (1, True, True)
    code, told = get("spend")
    assert (code, "features amount_sum_3h, amount_count_3h, share, percent of view spend@1 are not" in told) == (
        1,
        True,
    )
    code, told = get("spend:amount_sum_1h,double")
    assert (code, "204" in told) == (0, True)
    project = featurectl.open_project(tmp_path)
    assert project.get("spend:double", {"card": "c1"})["double"] == 204.0
    with pytest.raises(DataError, match=f"feature share {REFUSED}"):
        project.get("spend:share", {"card": "c1"})
    work(tmp_path)
    assert get("spend")[0] == 0


def test_a_server_refuses_it_and_answers_the_others(tmp_path: Path):
    worked(tmp_path)

    def ask(*features: str) -> tuple[int, object]:
        answer = client.post("/v1/features", json={"features": [*features], "entities": {"card": ["c1"]}})
        found = answer.json()
        if answer.status_code != 200:
            return answer.status_code, found["code"]
        return 200, {name: of["values"][0] for name, of in found["features"].items()}

    with serving(tmp_path) as client:
        assert ask("spend:amount_sum_3h") == ask("spend:*") == (503, "FC550")
        assert ask(*OLD) == (200, {"amount_sum_1h": 102.0, "amount_count_1h": 3})
        assert client.get("/ready").status_code == 200
        work(tmp_path)
        assert ask("spend:amount_sum_3h", "spend:share") == (200, {"amount_sum_3h": 102.0, "share": 1.0})


def test_verify_says_that_it_is_not_online_in_place_of_wrong_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    worked(tmp_path)
    assert main(["verify", "--store", "-C", str(tmp_path)]) != 0
    told = "".join(capsys.readouterr())
    assert ("are not online yet" in told, "corrupted" in told) == (True, False)


def test_a_feature_of_a_new_version_is_read_once_that_is_online(tmp_path: Path):
    swipes = worked(tmp_path)
    swipes.apply(WIDER.replace("source: swipes\n", "source: swipes\n    where: amount > 10\n"))
    for read in (by_client, by_async_client):
        assert read(tmp_path, OLD) == {"amount_sum_1h": 102.0, "amount_count_1h": 3}
        with pytest.raises(DataError, match=f"feature amount_sum_3h {REFUSED}"):
            read(tmp_path, ["spend:amount_sum_3h"])
    work(tmp_path)
    assert by_client(tmp_path, ["spend:*"])["amount_sum_3h"] == 100.0


def test_a_version_that_no_worker_can_keep_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(2)
    work(tmp_path)
    swipes.apply(OBJECTS.replace("dedup_key: [swipe]", "dedup_key: [swipe, card]"))
    work(tmp_path)
    with swipes.workspace() as workspace:
        state = workspace.applied_state()
        schema = ProjectSchema(state, workspace.environment.name)
        assert (schema.view("spend", 1).is_kept, schema.view("spend", 2).is_kept) == (False, True)
    capsys.readouterr()
    assert main(["get", "-C", str(tmp_path), "spend@1", "card=c1"]) == 1
    told = capsys.readouterr().err
    assert "view spend@1 is not kept online any more: its source swipes reads events in another way now" in told
    assert "featurectl train MODEL" in told
