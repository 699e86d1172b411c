"""What is applied: the view versions that are kept up to date, and what is said of a name that nothing has."""

from __future__ import annotations

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.core.kinds import WORDS, ObjectKind
from featurectl.core.nearest import did_you_mean
from featurectl.core.units import plural
from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.model import Model
from featurectl.registry.state import CHAMPION, CanaryRun, ModelVersion, ObjectVersion, State


def served_views(state: State) -> list[ObjectVersion]:
    """Return the newest version of every view, and each older one that a model version is bound to; by name."""
    bound = {place for version in applied_versions(state) for place in version.view_versions.items()}
    views = [o for o in state.objects if o.kind == "feature_view"]
    served = [o for o in views if (o.name, o.version) in bound or o == state.current("feature_view", o.name)]
    return sorted(served, key=lambda o: (o.name, o.version))


def check_views_kept(version: ModelVersion, state: State, done: str) -> None:
    """Check that what a version reads is kept up to date: a rejected one holds no version of a view.

    Raises:
        UsageError: it can't be `done` ("promoted"), for nothing keeps the values of a view version up to date.
    """
    kept = {(item.name, item.version) for item in served_views(state)}
    gone = sorted(f"{name}@{number}" for name, number in version.view_versions.items() if (name, number) not in kept)
    if gone:
        why = f"{', '.join(gone)} {plural(len(gone), 'was', 'were')} retired, and nothing keeps its values up to date"
        raise UsageError(
            f"model {version.model} version {version.version} can't be {done}: {why}",
            hint=f"featurectl train {version.model}",
        )


def applied_versions(state: State) -> tuple[ModelVersion, ...]:
    """Return the versions that hold the views that they are bound to.

    Those are neither rejected by gates nor retired, nor of a model that was removed.
    """
    models = {item.name for item in state.objects if item.kind == "model" and item.current}
    return tuple(v for v in state.model_versions if v.model in models and v.status == "registered")


def not_applied(state: State, kind: ObjectKind, name: str) -> UsageError:
    """Return the error for a name (or `view@2`) that no applied object of a kind has; the hint lists those that do.

    >>> error = not_applied(State(project="shop", registry_id="", serial=0), "feature_view", "spend")
    >>> error.message, error.hint
    ("no feature view 'spend' is applied in project shop", 'nothing is applied yet: featurectl apply')
    """
    words = WORDS[kind]
    known = sorted({item.name for item in state.objects if item.kind == kind and item.current})
    if known:
        hint = f"{did_you_mean(name, known)} applied {words.short_several}: {', '.join(known)}".strip()
    else:
        what = f"no {words.short_several} are applied" if state.objects else "nothing is applied yet"
        hint = f"{what}: featurectl apply"
    return UsageError(f"no {words.one} {name!r} is applied in project {state.project}", hint=hint)


def registered_view(state: State, name: str, version: int | None = None) -> ObjectVersion:
    """Return a registered version of a view, the newest when no number is given.

    Raises:
        UsageError: no such view or version is registered.
    """
    found = state.current("feature_view", name) if version is None else state.view(name, version)
    if found is not None:
        return found
    if version is None:
        raise not_applied(state, "feature_view", name)
    error = not_applied(state, "feature_view", f"{name}@{version}")
    there = sorted(o.version for o in state.objects if o.kind == "feature_view" and o.name == name)
    versions = f"versions of {name}: {', '.join(str(number) for number in there)}"
    raise UsageError(error.message, hint=versions if there else error.hint)


def split_name(name: str, default: str = CHAMPION) -> tuple[str, str]:
    """Return the model and the version or alias that a name means.

    >>> split_name("late@3"), split_name("late")
    (('late', '3'), ('late', 'champion'))
    """
    model, _, which = name.partition("@")
    return model, which or default


def choose_version(state: State, model: str, which: str) -> ModelVersion:
    """Return a version of a model by its number or by an alias.

    Raises:
        UsageError: there is no such version, or no such alias yet.
    """
    versions = [v for v in state.model_versions if v.model == model]
    if not versions and state.current("model", model) is None:
        raise not_applied(state, "model", model)
    if not versions:
        raise UsageError(f"model {model!r} has no trained version", hint=f"featurectl train {model}")
    number = state.aliases.get((model, which))
    found = next((v for v in versions if v.version == number or str(v.version) == which), None)
    if found is None:
        aliases = [alias for name, alias in state.aliases if name == model]
        known = [str(v.version) for v in versions] + aliases
        first = f"featurectl models promote {model}@VERSION makes one the champion; " if which == CHAMPION else ""
        raise UsageError(f"model {model} has no version {which!r}", hint=f"{first}versions: {', '.join(known)}")
    return found


def choose_usable(state: State, model: str, which: str) -> ModelVersion:
    """Return a version of a model by its number or by an alias, to be scored, served or promoted.

    Raises:
        UsageError: there is no such version or alias, or the version is retired.
    """
    version = choose_version(state, model, which)
    if version.status == "retired":
        raise retired_version(model, version.version)
    return version


def newest_usable(state: State, model: str, run_id: str = "") -> ModelVersion:
    """Return the version of a model that was registered last and is not retired, rejected or not.

    Where a run has registered any, the last one of these is it, whatever others have registered since.

    Raises:
        UsageError: there is no such model, it has no version, or that of the run is retired.
    """
    versions = [v for v in state.model_versions if v.model == model]
    own = [v.version for v in versions if run_id and v.run_id == run_id]
    numbers = own or [v.version for v in versions if v.status != "retired"]
    return choose_usable(state, model, str(max(numbers)) if numbers else CHAMPION)


def retired_version(model: str, number: int) -> UsageError:
    """Return the error for a version that is not used any more."""
    return UsageError(
        f"model {model} version {number} is retired",
        hint=f"`featurectl models list` tells the others; featurectl train {model} makes a new one",
    )


def canary_running(run: CanaryRun, what: str = "") -> TryAgainError:
    """Return why no other canary of a model can begin, and what to do; `what` says how it is another."""
    pair = f"version {run.challenger} beside version {run.champion}"
    return TryAgainError(
        f"a canary of model {run.model} is running: {pair}, in {run.environment}{what}",
        hint=f"try again when it is over; featurectl models canary abort {run.model} --env {run.environment} ends it, "
        "and promote in place of abort makes its version the champion",
    )


def registered_model(state: State, name: str) -> Model:
    """Return the definition of a model as applied.

    Raises:
        UsageError: no such model is applied.
    """
    found = state.current("model", name)
    if found is not None:
        return load_model(found.definition)
    raise not_applied(state, "model", name)
