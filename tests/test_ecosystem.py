"""scikit-learn's tools take the forms of X that the guide says they take.

The guide's tables are read here and tried cell by cell, so that they stay true.
"""

import csv
import functools
import pickle
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingRandomSearchCV,
    KFold,
    LeaveOneGroupOut,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    check_cv,
    cross_val_score,
    train_test_split,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.preprocessing import PerStep

# Fits here are cut short on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

GUIDE = Path(__file__).parents[1] / "docs" / "user_guide" / "compatibility.rst"

SMALL = {
    "hidden_layer_sizes": 4,
    "learning_rate_init": 0.1,
    "max_iter": 2,
    "random_state": 0,
}
N_SAMPLES, N_STEPS, N_CHANNELS = 24, 4, 3


def read_table(title):
    """Rows of the csv-table of this title in the guide, each as a dict."""
    text = GUIDE.read_text(encoding="utf-8")
    _, _, rest = text.partition(f".. csv-table:: {title}\n")
    options_and_body = rest[: rest.index("\n\n", rest.index("\n\n") + 1)]
    _, _, body = options_and_body.partition("\n\n")
    lines = [line.strip().replace("``", "") for line in body.splitlines()]
    return list(csv.DictReader(lines, skipinitialspace=True))


# --- forms of X ---------------------------------------------------------------------


class Form(NamedTuple):
    """X in some form, and the parameters it needs."""

    X: object
    parameters: dict


def make_forms():
    rng = np.random.default_rng(0)
    cube = rng.normal(size=(N_SAMPLES, N_STEPS, N_CHANNELS))
    rows = cube.reshape(N_SAMPLES, -1)
    ragged = [
        rng.normal(size=(length, N_CHANNELS))
        for length in rng.integers(1, 7, size=N_SAMPLES)
    ]
    objects = np.empty(N_SAMPLES, dtype=object)
    objects[:] = ragged
    table = rng.normal(size=(N_SAMPLES, N_CHANNELS))
    frame = pd.DataFrame(table, columns=["load", "heat", "wind"])
    series = frame.assign(series=["north", "south"] * (N_SAMPLES // 2))
    windows = {"window": 3}
    return {
        "2-D rows": Form(rows, {"n_channels": N_CHANNELS}),
        "2-D with window": Form(table, windows),
        "3-D": Form(cube, {}),
        "ragged list": Form(ragged, {}),
        "ragged object array": Form(objects, {}),
        "DataFrame with window": Form(frame, windows),
        "DataFrame with group_column": Form(
            series, {**windows, "group_column": "series"}
        ),
    }


FORMS = make_forms()
CLASSES = np.random.default_rng(1).permutation([0, 1] * (N_SAMPLES // 2))
THREE_CLASSES = np.arange(N_SAMPLES) % 3
REAL = np.random.default_rng(1).normal(size=N_SAMPLES)

# --- what is done with them ---------------------------------------------------------

# Contiguous parts of the rows, as windows need them.
CV = KFold(3)


def classifier(form):
    return LSTMClassifier(**SMALL, **form.parameters)


def regressor(form):
    return LSTMRegressor(**SMALL, **form.parameters)


def do_clone(form):
    return clone(classifier(form)).fit(form.X, CLASSES).predict_proba(form.X)


def do_pickle(form):
    model = classifier(form).fit(form.X, CLASSES)
    return pickle.loads(pickle.dumps(model)).predict_proba(form.X)


def do_set_params(form):
    model = LSTMClassifier().set_params(**SMALL, **form.parameters)
    return model.fit(form.X, CLASSES).predict_proba(form.X)


def do_cross_val_score(form):
    return cross_val_score(
        classifier(form),
        form.X,
        CLASSES,
        cv=CV,
        scoring="neg_log_loss",
        error_score="raise",
    )


def do_time_series_split(form):
    return cross_val_score(
        regressor(form), form.X, REAL, cv=TimeSeriesSplit(2), error_score="raise"
    )


def do_grid_search(form):
    search = GridSearchCV(
        classifier(form),
        {"hidden_layer_sizes": [2, 3]},
        cv=CV,
        n_jobs=2,
        error_score="raise",
    )
    # Arrays reach the processes as read-only memory maps, as large ones always do.
    with joblib.parallel_config("loky", max_nbytes=1):
        return search.fit(form.X, CLASSES).predict_proba(form.X)


def do_halving_search(form):
    search = HalvingRandomSearchCV(
        classifier(form),
        {"hidden_layer_sizes": [2, 3, 4]},
        resource="max_iter",
        min_resources=1,
        max_resources=3,
        cv=CV,
        random_state=0,
        error_score="raise",
    )
    return search.fit(form.X, CLASSES).predict_proba(form.X)


def do_transformed_target(form):
    model = TransformedTargetRegressor(
        regressor(form), func=np.sinh, inverse_func=np.arcsinh
    )
    return model.fit(form.X, REAL).predict(form.X)


def do_bagging(form):
    model = BaggingClassifier(classifier(form), n_estimators=2, random_state=0)
    return model.fit(form.X, CLASSES).predict_proba(form.X)


def do_voting(form):
    pair = [
        (seed, classifier(form).set_params(random_state=int(seed))) for seed in "01"
    ]
    model = VotingClassifier(pair, voting="soft")
    return model.fit(form.X, CLASSES).predict_proba(form.X)


def do_stacking(form):
    model = StackingClassifier([("lstm", classifier(form))], cv=CV)
    return model.fit(form.X, CLASSES).predict_proba(form.X)


def do_one_against_rest(form):
    model = OneVsRestClassifier(classifier(form))
    return model.fit(form.X, THREE_CLASSES).predict_proba(form.X)


def do_outputs_one_by_one(form):
    model = MultiOutputRegressor(regressor(form))
    return model.fit(form.X, np.column_stack([REAL, CLASSES])).predict(form.X)


def do_calibration(form):
    model = CalibratedClassifierCV(classifier(form), cv=CV)
    return model.fit(form.X, CLASSES).predict_proba(form.X)


def do_permutation_importance(form):
    model = classifier(form).fit(form.X, CLASSES)
    return permutation_importance(
        model, form.X, CLASSES, scoring="neg_log_loss", n_repeats=2, random_state=0
    ).importances


def do_states_as_features(form):
    model = make_pipeline(classifier(form), LogisticRegression())
    return model.fit(form.X, CLASSES).predict_proba(form.X)


def do_scaling(form):
    model = make_pipeline(StandardScaler(), classifier(form))
    return model.fit(form.X, CLASSES).predict_proba(form.X)


def do_scaling_per_step(form):
    model = make_pipeline(PerStep(StandardScaler()), classifier(form))
    return model.fit(form.X, CLASSES).predict_proba(form.X)


TOOLS = {
    "clone": do_clone,
    "pickle": do_pickle,
    "set_params": do_set_params,
    "cross_val_score": do_cross_val_score,
    "TimeSeriesSplit": do_time_series_split,
    "GridSearchCV": do_grid_search,
    "HalvingRandomSearchCV": do_halving_search,
    "TransformedTargetRegressor": do_transformed_target,
    "CalibratedClassifierCV": do_calibration,
    "VotingClassifier": do_voting,
    "StackingClassifier": do_stacking,
    "OneVsRestClassifier": do_one_against_rest,
    "MultiOutputRegressor": do_outputs_one_by_one,
    "LSTMClassifier before another classifier": do_states_as_features,
    "PerStep(StandardScaler())": do_scaling_per_step,
    "StandardScaler": do_scaling,
    "BaggingClassifier": do_bagging,
    "permutation_importance": do_permutation_importance,
}


@functools.cache
def use(tool, form):
    """What a tool makes of a form of X: numbers of some kind."""
    return TOOLS[tool](FORMS[form])


# --- the table of tools -------------------------------------------------------------

CELLS = {
    (row["tool"], form): row[form]
    for row in read_table("Which tool takes which form of X")
    for form in FORMS
}


def cells(answer):
    return pytest.mark.parametrize(
        ("tool", "form"), [cell for cell in CELLS if CELLS[cell] == answer]
    )


def test_table_has_all_tools_and_forms_and_plain_answers():
    rows = read_table("Which tool takes which form of X")
    assert [row["tool"] for row in rows] == list(TOOLS)
    assert list(rows[0]) == ["tool", *FORMS]
    assert set(CELLS.values()) == {"yes", "no"}


@cells("yes")
def test_tool_takes_x(tool, form):
    result = use(tool, form)
    assert len(result)
    assert np.isfinite(result).all()


# How a form is refused, and where a tool has other words than most.
REFUSALS = {
    "3-D": "Found array with dim 3, while dim <= 2 is required",
    "ragged list": "requested array has an inhomogeneous shape after 1 dimensions",
    "ragged object array": "Expected 2D array, got 1D array instead",
    "DataFrame with group_column": "could not convert string to float: 'north'",
    ("StandardScaler", "ragged object array"): "setting an array element with a seq",
    (
        "BaggingClassifier",
        "DataFrame with group_column",
    ): "'series' is a name, but X",
}


@cells("no")
def test_tool_refuses_x(tool, form):
    match = REFUSALS.get((tool, form)) or REFUSALS[form]
    with pytest.raises(ValueError, match=match):
        TOOLS[tool](FORMS[form])


@pytest.mark.parametrize("tool", ["clone", "pickle", "set_params"])
@pytest.mark.parametrize("form", FORMS)
def test_copy_of_an_estimator_is_as_the_estimator(tool, form):
    X, _ = FORMS[form]
    expected = classifier(FORMS[form]).fit(X, CLASSES).predict_proba(X)
    assert_array_equal(use(tool, form), expected)


# Forms that say the same.
SAME = [
    ("2-D rows", "3-D"),
    ("ragged list", "ragged object array"),
    ("2-D with window", "DataFrame with window"),
]


@pytest.mark.parametrize(
    ("tool", "one", "other"),
    [
        (tool, *pair)
        for tool in TOOLS
        for pair in SAME
        if all(CELLS[tool, form] == "yes" for form in pair)
        and (tool, pair) != ("PerStep(StandardScaler())", SAME[0])  # scales columns
    ],
)
def test_form_of_the_same_sequences_does_not_matter(tool, one, other):
    assert_array_equal(use(tool, one), use(tool, other))


# --- what the guide says to do for the other cells ----------------------------------


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if CELLS[tool, "3-D"] == "no"])
def test_tool_that_refuses_sequences_takes_them_as_rows(tool):
    X, _ = FORMS["3-D"]
    rows = Form(X.reshape(len(X), -1), {"n_channels": X.shape[2]})
    with pytest.raises(ValueError, match=REFUSALS["3-D"]):
        TOOLS[tool](FORMS["3-D"])
    assert np.isfinite(TOOLS[tool](rows)).all()


def test_tool_that_drops_names_takes_the_position_of_the_group_column():
    X, parameters = FORMS["DataFrame with group_column"]
    by_position = {**parameters, "group_column": X.columns.get_loc("series")}
    assert np.isfinite(do_bagging(Form(X, by_position))).all()


@pytest.mark.parametrize("form", ["3-D", "ragged list"])
def test_stacking_takes_sequences_unless_it_passes_them_through(form):
    X, parameters = FORMS[form]
    lstm = LSTMClassifier(**SMALL, **parameters)
    model = StackingClassifier([("lstm", lstm)], cv=CV, passthrough=True)
    with pytest.raises(ValueError, match=r"dimension|inhomogeneous"):
        model.fit(X, CLASSES)
    assert model.set_params(passthrough=False).fit(X, CLASSES)


def test_stacking_refuses_splits_in_time():
    model = StackingClassifier(
        [("lstm", classifier(FORMS["2-D with window"]))], cv=TimeSeriesSplit(2)
    )
    with pytest.raises(ValueError, match="only works for partitions"):
        model.fit(FORMS["2-D with window"].X, CLASSES)


def test_list_of_equal_lengths_is_an_array_to_tools_that_make_one():
    with pytest.raises(ValueError, match="Found array with dim 3"):
        do_bagging(Form(list(FORMS["3-D"].X), {}))


# --- windows ------------------------------------------------------------------------

N_ROWS = 60
SERIES = np.random.default_rng(0).integers(3, size=N_ROWS)  # rows interleave
STATES = np.arange(N_ROWS) // 10 % 2  # y that lasts, as of a machine


class Recorder(LSTMRegressor):
    """Notes which rows each fit gets; the first column of X numbers them."""

    fits = []

    def fit(self, X, y, sample_weight=None):
        self.fits.append(np.asarray(X)[:, 0].astype(int))
        return super().fit(X, y, sample_weight)


def rows_of_fits(tool):
    """The rows of each fit that happens where `tool` is fitted."""
    Recorder.fits = []
    rng = np.random.default_rng(0)
    X = np.column_stack([np.arange(N_ROWS), rng.normal(size=N_ROWS)])
    tool(Recorder(**SMALL, window=3)).fit(X, rng.normal(size=N_ROWS))
    return Recorder.fits


def halving_search(resource, **resources):
    def tool(model):
        return HalvingRandomSearchCV(
            model,
            {"learning_rate_init": [0.1, 0.2, 0.3]},
            n_candidates=3,
            cv=TimeSeriesSplit(2),
            resource=resource,
            random_state=0,
            error_score="raise",
            **resources,
        )

    return rows_of_fits(tool)


def bagging():
    def tool(model):
        return BaggingRegressor(model, n_estimators=2, max_samples=0.5, random_state=0)

    return rows_of_fits(tool)


def parts(cv, groups=None):
    """The training and test rows of each split."""
    X = np.zeros((N_ROWS, 1))
    return [part for split in cv.split(X, STATES, groups) for part in split]


SPLITTERS = {
    "TimeSeriesSplit()": lambda: parts(TimeSeriesSplit(4)),
    "KFold()": lambda: parts(KFold(4)),
    "KFold(shuffle=True)": lambda: parts(KFold(4, shuffle=True, random_state=0)),
    "StratifiedKFold()": lambda: parts(StratifiedKFold(4)),
    "ShuffleSplit()": lambda: parts(ShuffleSplit(4, random_state=0)),
    "cv=4 for a regressor": lambda: parts(check_cv(4, REAL)),
    "cv=4 for a classifier": lambda: parts(check_cv(4, STATES, classifier=True)),
    "GroupKFold() by series": lambda: parts(GroupKFold(3), SERIES),
    "LeaveOneGroupOut() by series": lambda: parts(LeaveOneGroupOut(), SERIES),
    "train_test_split(shuffle=False)": lambda: train_test_split(
        np.arange(N_ROWS), shuffle=False
    ),
    "train_test_split()": lambda: train_test_split(np.arange(N_ROWS), random_state=0),
    "HalvingRandomSearchCV(resource='max_iter')": lambda: halving_search(
        "max_iter", min_resources=1, max_resources=3
    ),
    "HalvingRandomSearchCV()": lambda: halving_search("n_samples", min_resources=12),
    "BaggingRegressor()": bagging,
}


def tears(rows):
    """How many rows of a part follow a row that they do not follow in their series.

    The fold that an unshuffled KFold takes out of the middle makes one in each series.
    """
    place = np.empty(N_ROWS, dtype=int)
    count = 0
    for series in np.unique(SERIES):
        members = np.flatnonzero(series == SERIES)
        place[members] = np.arange(len(members))
        taken = place[rows[SERIES[rows] == series]]
        count = max(count, np.count_nonzero(np.diff(taken) != 1))
    return count


WINDOWS = {
    row["rows are chosen by"]: row["windows"]
    for row in read_table("Which splitters keep windows whole")
}


def test_table_has_all_splitters():
    assert list(WINDOWS) == list(SPLITTERS)


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_windows_stay_whole_or_are_torn(splitter):
    torn = max(tears(np.asarray(rows)) for rows in SPLITTERS[splitter]())
    found = "whole" if torn <= 1 else "torn"
    assert found == WINDOWS[splitter]


def test_bagging_gives_every_member_all_rows():
    for rows in bagging():
        assert_array_equal(rows, np.arange(N_ROWS))
