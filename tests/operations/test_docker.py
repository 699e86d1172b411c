"""What `init --with docker` writes: linted, and its services run as they stand, on a real PostgreSQL and Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from featurectl.core.errors import UsageError
from featurectl.core.version import __version__
from featurectl.language.load import load_repo
from featurectl.operations.init import NEXT, init_repository
from tests.servers.redis import free_port

TOOLS = Path(sys.executable).parent
WRITTEN = {"Dockerfile", "requirements.txt", ".dockerignore", "deploy/compose.yaml", "deploy/.gitignore"}


def said(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.fixture(params=sorted(NEXT))
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A repository of a template, with its files for Docker."""
    init_repository(tmp_path / "shop", request.param, ["docker"])
    return tmp_path / "shop"


def compose(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "deploy/compose.yaml").read_text())


@pytest.mark.sample(2)
def test_the_files_are_written_and_the_repository_is_as_valid_as_without(root):
    repo = load_repo(root, None)
    assert {problem.code for problem in repo.errors} <= {"FC203"}  # of the empty one
    assert all((root / name).is_file() for name in WRITTEN)
    assert repo.environments["compose"].registry == "${REGISTRY_URL}"
    assert f"=={__version__}\n" in (root / "requirements.txt").read_text()


def test_without_it_nothing_of_it_is_written(tmp_path):
    written = init_repository(tmp_path / "shop", "minimal")
    assert not WRITTEN & set(written.files)
    assert "compose" not in (tmp_path / "shop/featurectl.yaml").read_text()


def test_another_word_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(UsageError, match="--with 'podman'"):
        init_repository(tmp_path / "shop", "minimal", ["podman"])
    assert not (tmp_path / "shop").exists()


def test_the_dockerfile_is_linted(tmp_path):
    root = tmp_path / "shop"
    init_repository(root, "minimal", ["docker"])
    clean = said(TOOLS / "hadolint", root / "Dockerfile")
    assert (clean.returncode, clean.stdout) == (0, "")
    (tmp_path / "Dockerfile").write_text((root / "Dockerfile").read_text().replace("--no-cache-dir ", ""))
    assert "DL3042" in said(TOOLS / "hadolint", tmp_path / "Dockerfile").stdout


@pytest.mark.long
@pytest.mark.sample(2)
def test_the_compose_file_is_what_compose_takes(root):
    check = said(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", root / "deploy/compose.yaml")
    assert check.returncode == 0, check.stdout
    of_streams = "profiles" not in compose(root)["services"]["worker"]
    assert of_streams == ("swipes" in (root / "featurectl.yaml").read_text() or (root / "swipes.py").exists())


def test_postgres_is_asked_where_it_answers_once_its_first_start_is_done(tmp_path):
    """The image makes the database by a server that has a socket alone, and ends that one."""
    init_repository(tmp_path / "shop", "minimal", ["docker"])
    test = compose(tmp_path / "shop")["services"]["postgres"]["healthcheck"]["test"]
    assert test == ["CMD", "pg_isready", "--host", "127.0.0.1", "--username", "features"]


def test_no_container_of_ours_may_do_more_than_it_needs(tmp_path):
    init_repository(tmp_path / "shop", "minimal", ["docker"])
    ours = [service for service in compose(tmp_path / "shop")["services"].values() if "build" in service]
    assert len(ours) == 5
    assert all(service["read_only"] and service["cap_drop"] == ["ALL"] for service in ours)


def environ_of(service: Mapping[str, Any], postgres_url: str, redis_url: str) -> dict[str, str]:
    """Return the variables of a service, with the servers of the tests in the place of its own."""
    assert set(service["environment"]) == {"REGISTRY_URL", "REDIS_URL"}
    return {**os.environ, "REGISTRY_URL": postgres_url, "REDIS_URL": redis_url}


@pytest.mark.long  # an apply, a materialize and a server on PostgreSQL and Redis
def test_the_services_do_what_they_are_for_on_real_stores(tmp_path, postgres_url, redis_url):
    root = tmp_path / "shop"
    init_repository(root, "minimal", ["docker"])
    services = compose(root)["services"]
    for name in ("apply", "apply", "materialize"):
        environ = environ_of(services[name], postgres_url, redis_url)
        program, *words = services[name]["command"]
        done = subprocess.run([TOOLS / program, *words], check=False, cwd=root, env=environ, capture_output=True)
        assert done.returncode == 0, done.stderr
    server = services["server"]
    port = free_port()
    words = [TOOLS / "featurectl", *server["command"][1:], "--port", str(port)]
    environ = environ_of(server, postgres_url, redis_url)
    with subprocess.Popen(words, cwd=root, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            probe = [sys.executable, *server["healthcheck"]["test"][2:]]
            probe[-1] = probe[-1].replace(":8000", f":{port}")
            end = time.monotonic() + 60
            while subprocess.run(probe, check=False, capture_output=True).returncode:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
            answer = httpx2.get(f"http://127.0.0.1:{port}/v1/models")
            assert answer.status_code == 200
        finally:
            process.terminate()
    assert process.returncode == 0
