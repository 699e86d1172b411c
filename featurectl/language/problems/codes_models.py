"""Codes of problems with models, FC314, FC315, FC356, FC357, FC512 and up: a part of the list of `codes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Code(NamedTuple):
    """What a code stands for: a title of a few words, and a paragraph on the cause and the way out."""

    title: str
    text: str


TRAINERS: Final[Mapping[str, Code]] = {
    "FC314": Code(
        "an input that can't be trained on",
        "A trainer sees a matrix of numbers: an input of it is a number, a boolean or a category. Give a text `type: "
        'category`, in an entry of its own of `features`: `- {feature: "view:x", type: category}`; and derive a number '
        "from a time, in its view: `derived: [{name: seen_s, expr: extract(epoch from seen)}]`.",
    ),
    "FC315": Code(
        "there is no such estimator, or parameter of it",
        "The package of `trainer.estimator` is installed, and has no module, class or function of that name; or the "
        "class has no parameter of a name among `trainer.params`. `validate` imports nothing of it, and reads its files"
        " instead, and LightGBM's and XGBoost's own lists of parameters and aliases: a package that makes its names as "
        "it runs is taken to have them. A class that takes any name (`**kwargs`) and is none of these libraries' can't "
        "be checked.",
    ),
}
SERVED: Final[Mapping[str, Code]] = {
    "FC356": Code(
        "a model that can't be served",
        "It reads a view with `online: false`, whose values are in no online store: the model is trained and scored in "
        "batches, and `serve` refuses it. `train` says it, too. It is a warning, for that may be what is meant; leave "
        "`online: false` out of the view to serve the model.",
    ),
    "FC357": Code(
        "a label that counts the row itself",
        "A label over a horizon counts rows with t <= event_time < t + horizon. Where they come from the spine's own "
        "source, the row that asks is one of them, and `count > 0` is true of every row: write `count > 1`, or "
        "`count - 1` for a number. The `first` value is the row's own, and so is the `last` where no other follows. "
        "`train` and `training-set` say it, too.",
    ),
}
MODELS: Final[Mapping[str, Code]] = {
    "FC512": Code(
        "a model's artifact is gone or was changed",
        "Artifacts are checked against the SHA-256 that was registered before anything parses them. Restore the file, "
        "or train the model again.",
    ),
    "FC513": Code(
        "an estimator can't be made or fitted",
        "`trainer.estimator` is importable and takes `params`: a class with fit and predict, or `module:function`. A "
        "`trainer.run` ends with 0 and leaves one model in FEATURECTL_OUT. Their library must be installed.",
    ),
    "FC514": Code(
        "a model that runs code when it is loaded",
        "A pickle and a Python function run code when they are loaded, so they must be allowed twice: by "
        "`allow_pickle: true` in the model, in the files and as it is applied, and by --allow-pickle when it is used. "
        "LightGBM, XGBoost, CatBoost and most of scikit-learn are kept as data and need neither; the message names "
        "types that are not known as data.",
    ),
    "FC515": Code(
        "there is nothing to learn from",
        "Rows whose label or time is null are left out of training; none were left, or those that a classifier is "
        "trained on are all of one class, or the label is no bool and no number.",
    ),
    "FC516": Code(
        "a spine has a column of an output's name",
        "Scores stand beside the spine's columns. Rename the column of the spine, or set `output: {name: ...}` in the "
        "model.",
    ),
    "FC517": Code(
        "a model's input is no number, bool or category",
        "Give a text or a date that means a kind `type: category`, in an entry of its own of the model's `features`: "
        '`- {feature: "view:x", type: category}`; or derive a number from it. `validate` finds it (FC314) where the '
        "files, or declared `columns:`, say the type.",
    ),
    "FC524": Code(
        "a model does not give the scores that it was trained with",
        "Up to 100 training rows are kept with the scores that the model gave them, and are scored again before the "
        "model serves. A difference above 1e-6 mostly means another version of a library, or a function whose code "
        "has changed: install the versions that `models show` lists, or train the model again.",
    ),
    "FC525": Code(
        "a model would be asked with other features than it was trained on",
        "A model version is bound to the versions of the views that it was trained on, and to what their features "
        "meant then. The message says which input comes from another version, or means something else by now, because "
        "rows of the registry were edited or restored in part. Restore the registry, or train the model again.",
    ),
    "FC530": Code(
        "a model's file ends the process that reads it",
        "`models import`, and `train` what a trainer's command left, read a file in a process of its own, and the "
        "library of its format has died there: the file is damaged, or was made to do so. Nothing was registered. "
        "Export the model once more where it was trained. If it says SIGKILL, the system had too little memory for it. "
        "Where the process can't even be started, it is not the file: the message says why.",
    ),
    "FC531": Code(
        "a model's file takes too long, or too much memory",
        "The process that reads the file of `models import` or of a trainer's command has five minutes for each step "
        "(10,000 rows, the conversion to ONNX) and the memory of the command, at least 2 GiB. Nothing was registered. "
        "A model that is large gets more by `--memory`; one that is not is damaged, or was made to do so.",
    ),
    "FC532": Code(
        "a model has no score for a row",
        "Many estimators refuse a row with a null, which an entity without rows has for all its features. The message "
        "says which row of what is scored, and which inputs are null there. Give the features a `default:`, or train "
        "an estimator that takes nulls, `HistGradientBoostingClassifier` in place of `LogisticRegression` say, or one "
        "that imputes them, by `run:`.",
    ),
}
