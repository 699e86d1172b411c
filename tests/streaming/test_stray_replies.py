"""Workers whose Redis is behind a proxy that adds replies and hangs up: no event is lost, doubled or stored wrong."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.servers.meddling import STRAY, meddling_proxy
from tests.servers.redis import redis_server
from tests.streaming.test_killed_workers import Campaign


@dataclass(kw_only=True)
class MeddledCampaign(Campaign):
    """Workers that have the topic and the store through a proxy; who sends and reads has them directly."""

    through: str

    def start(self, mode: str, *own: int) -> subprocess.Popen[str]:
        direct = self.store_url
        self.broker_url = self.store_url = self.through
        try:
            return super().start(mode, *own)
        finally:
            self.broker_url = self.store_url = direct


@pytest.mark.long
@pytest.mark.parametrize("fault", [*STRAY, "cut"])
def test_workers_lose_and_double_nothing_where_replies_are_added(tmp_path: Path, fault: str):
    with redis_server() as server, meddling_proxy(server.port) as proxy:
        proxy.fault, proxy.share = fault, 0.004

        def end() -> None:
            proxy.fault = ""

        campaign = MeddledCampaign(
            broker_url=server.url,
            store_url=server.url,
            through=proxy.url,
            folder=tmp_path,
            random=Random(1),
            at_end=end,
        )
        campaign.run(kills=1)
        assert proxy.done >= 5
        campaign.judge()
