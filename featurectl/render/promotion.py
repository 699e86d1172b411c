"""What became of a version that was to be the champion."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from featurectl.core.units import counted
from featurectl.render.gates import gates_table
from featurectl.render.models import render_unjudged
from featurectl.render.page import Page, page_text

if TYPE_CHECKING:
    from featurectl.operations.models.promote_to import CopiedVersion
    from featurectl.operations.models.promotion import Promotion, Rollback

_ARRIVALS: Final = {
    "new": "{origin} of {there} is {label} in {env}",
    "there already": "{origin} of {there} is in {env} already, as version {number}",
    "shared registry": "{there} and {env} have one registry, and {label} is in it already",
}


def promotion_json(done: Promotion) -> dict[str, object]:
    """Return what the gates found and whether the champion has moved, ready for JSON."""
    return {
        "model": done.version.model,
        "version": done.version.version,
        "before": done.before,
        "promoted": done.is_moved,
        "status": done.version.status,
        "gates": [asdict(item) for item in done.gates],
    }


def render_promotion(done: Promotion, option: str = "") -> str:
    """Return the page as text."""
    return page_text(promotion_page(done, option))


def promotion_page(done: Promotion, option: str = "") -> Page:
    """Return what the gates found, and which version is the champion then.

    `option` is what a command needs to be about the same environment, " --env prod" say.
    """
    version, before = done.version, done.before
    label = f"{version.model} version {version.version}"
    if before == version.version:
        return [[f"{label} is the champion already."]]
    table = gates_table(done.gates)
    if not done.is_moved:
        still = "there is no champion" if before is None else f"the champion is version {before} still"
        return [[table, f"{label} fails a gate and is not promoted; {still}."]]
    undo = f"featurectl models rollback {version.model}{option} undoes it"
    was = "" if before is None else f", in place of version {before}; {undo}"
    return [[table, f"{label} is the champion{was}.", *render_unjudged(version, done.gates)]]


def render_rollback(model: str, done: Rollback) -> str:
    """Return which version is the champion again, or that there was nothing to undo."""
    if done.before is None:
        return f"{model}: nothing to undo; the champion is version {done.champion} still."
    return f"{model}: the champion is version {done.champion} again, in place of version {done.before}."


def render_copy(done: CopiedVersion, there: str, env: str) -> str:
    """Return the page as text."""
    return page_text(copy_page(done, there, env))


def copy_page(done: CopiedVersion, there: str, env: str) -> Page:
    """Return where a version of environment `there` has gone, and what its promotion in `env` has found."""
    version = done.version
    origin, label = (f"{v.model} version {v.version}" for v in (done.origin, version))
    said = _ARRIVALS[done.arrival].format(origin=origin, label=label, there=there, env=env, number=version.version)
    said += f"; its {counted(done.files, 'file')} are there."
    if done.arrival == "shared registry":
        further = f"featurectl models promote {version.model}@{version.version} --env {env} makes it the champion."
        return [[said, further]]
    return [[said, *(part for block in promotion_page(done.promotion, f" --env {env}") for part in block)]]


def copy_json(done: CopiedVersion, there: str, env: str) -> dict[str, object]:
    """Return the same ready for JSON."""
    origin = {"environment": there, "version": done.origin.version}
    return {**promotion_json(done.promotion), "environment": env, "origin": origin, "arrival": done.arrival}
