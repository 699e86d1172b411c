"""The server as its rendered Deployment runs it: on a root that is read-only, ended by SIGTERM, within its memory."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from featurectl.pipelines.render.order import RenderOrder, render_deployments
from featurectl.pipelines.render.site import SitePlaces
from tests import web
from tests.servers.redis import free_port

BODY = {"rows": [{"user": 1, "merchant": "m1", "hour": 12, "price": 9.5}]}
PROJECT = """
project: clicks
environments:
  dev: {registry: "sqlite:///${STORES}/r.db", offline: "${STORES}/off", online: "sqlite:///${STORES}/on.db",
        now: "2026-01-08T00:00:00Z", prediction_log: {sample: 1.0}}
"""
DEPLOYMENT = """
deployments:
  - {name: inference, run: serve --drain 2s --port PORT, resources: {cpu: 1, memory: 512Mi}}
"""
READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind REPOSITORY /mnt && mount -o remount,bind,ro /mnt
mount -t tmpfs work /mnt/.featurectl
mount --bind STORES /media
mount -o remount,bind,ro /
mount -t tmpfs tmp /tmp
cd /mnt
if touch /mnt/x /x 2> /tmp/said; then exit 99; fi
exec "$@"
"""


@pytest.fixture
def repository(clicks, tmp_path) -> Path:
    """A repository whose stores lie elsewhere, as they do where pods run."""
    root, stores = shutil.copytree(clicks, tmp_path / "repo"), tmp_path / "stores"
    stores.mkdir()
    for name in ("r.db", "on.db", "off"):
        (root / name).rename(stores / name)
    (root / ".featurectl").mkdir(exist_ok=True)
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "deployments.yaml").write_text(DEPLOYMENT.replace("PORT", f"{free_port()}"))
    return root


def rendered(root: Path, folder: str) -> dict[str, Any]:
    """Return the specification of the pod."""
    places = SitePlaces(folder=folder)
    order = RenderOrder(root=root, env="dev", names=("inference",), target="kubernetes", places=places)
    (file,) = render_deployments(order).files
    deployment = next(yaml.safe_load_all(file.path.read_text()))
    return deployment["spec"]["template"]["spec"]


@contextmanager
def as_pod(root: Path, *, is_read_only: bool) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any], str]]:
    """Run the container's command as it stands in the file, and give its process, the pod and the server's URL."""
    home, stores = root.parent / "home", root.parent / "stores"
    home.mkdir()
    spec = rendered(root, "/mnt" if is_read_only else str(root))
    (container,) = spec["containers"]
    words = [sys.executable, "-m", *container["command"]]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "STORES": "/media" if is_read_only else str(stores)}
    assert {item["name"] for item in container["env"]} == {"STORES", "FEATURECTL_API_KEYS"}
    if is_read_only:
        script = READ_ONLY.replace("REPOSITORY", shlex.quote(str(root))).replace("STORES", shlex.quote(str(stores)))
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        words = ["unshare", "--mount", *user, "sh", "-c", script, "sh", *words]
    with (root.parent / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=root, env=environ, stdout=log, stderr=log)
    try:
        yield process, spec, f"http://127.0.0.1:{container['ports'][0]['containerPort']}"
    finally:
        process.kill()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float) -> list[int]:
    """Return the statuses of a probe, of which the last is 200."""
    statuses: list[int] = []
    end = time.monotonic() + seconds
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, (statuses, log.read_text())
        try:
            statuses.append(web.get(url, timeout=20).status_code)
        except httpx2.HTTPError:
            statuses.append(0)
        if statuses[-1] == 200:
            return statuses
        time.sleep(0.05)


def listing(folder: Path) -> set[str]:
    """Return the files of a folder that are on no volume of a pod."""
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in found if path.parts[0] != ".featurectl" and "__pycache__" not in path.parts}


def memory_peak(pid: int) -> int:
    """Return the bytes that a process has had in memory at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def ended_while_asked(process: subprocess.Popen[bytes], url: str, grace_s: float) -> list[int]:
    """Tell a server to end while a client goes on asking, and return what the client was answered."""
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                statuses.append(web.post(f"{url}/v1/predict/click", json=BODY).status_code)
            except httpx2.ConnectError:  # nobody listens any more
                return

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    end = time.monotonic() + grace_s
    process.send_signal(signal.SIGTERM)
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    over.set()
    asking.join()
    return statuses


@pytest.mark.parametrize(
    "is_read_only", [pytest.param(False, marks=pytest.mark.long), pytest.param(True, marks=pytest.mark.guests)]
)
def test_a_pod_serves_on_a_read_only_root_and_ends_in_its_time(repository, is_read_only):
    log = repository.parent / "log"
    with as_pod(repository, is_read_only=is_read_only) as (process, spec, url):
        before = listing(repository)
        (container,) = spec["containers"]
        probes = [container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
        assert probes == ["/health", "/health", "/ready"]
        wait_for(f"{url}/health", process, log, 60)  # periodSeconds times failureThreshold
        wait_for(f"{url}/ready", process, log, 60)
        for _ in range(50):
            assert web.post(f"{url}/v1/predict/click", json=BODY).status_code == 200
        assert memory_peak(process.pid) < 512 << 20

        statuses = ended_while_asked(process, url, spec["terminationGracePeriodSeconds"])
        assert process.poll() == 0, log.read_text()
        assert len(statuses) > 10
        assert set(statuses) == {200}
    assert listing(repository) == before
    assert list((repository.parent / "home").iterdir()) == []
    assert list((repository.parent / "stores" / "off").rglob("*predictions*"))  # the log is in the store
    assert "ead-only" not in log.read_text()
