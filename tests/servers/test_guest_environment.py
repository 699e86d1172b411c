"""The environment of a guest is made once, of the packages that its file pins, and anew when they change."""

from __future__ import annotations

import subprocess

import pytest

from tests.servers.guest_environment import PINS, GuestEnvironment, guest_environment


def packages(environment: GuestEnvironment) -> str:
    code = "import importlib.metadata as m; print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()))"
    command = [str(environment.program()), "-c", code]
    return subprocess.run(command, env=environment.environ, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.guests
def test_an_environment_is_made_once_and_anew_when_its_pins_change(tmp_path):
    pins, guests = tmp_path / "pins", tmp_path / "guests"
    pins.mkdir()
    (pins / "one.txt").write_text("six==1.17.0\n")
    environment = guest_environment("one", pins=pins, guests=guests)
    assert packages(environment) == "six==1.17.0"
    kept = environment.folder / "kept"
    kept.touch()
    guest_environment("one", pins=pins, guests=guests)
    assert kept.exists()
    (pins / "one.txt").write_text("iniconfig==2.3.0\n")
    assert packages(guest_environment("one", pins=pins, guests=guests)) == "iniconfig==2.3.0"
    assert not kept.exists()


@pytest.mark.guests
def test_pins_that_lack_a_dependency_are_an_error_each_time(tmp_path):
    (tmp_path / "one.txt").write_text("python-dateutil==2.9.0.post0\n")
    for _ in range(2):
        with pytest.raises(AssertionError, match="six"):
            guest_environment("one", pins=tmp_path, guests=tmp_path)


def test_guests_are_pinned_to_one_version_each():
    for file in PINS.glob("*.txt"):
        for line in file.read_text().splitlines():
            assert not line or line.startswith("#") or "==" in line, f"{file.name}: {line}"
