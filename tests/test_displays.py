"""Displays draw what the attributes of a fit hold."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification, make_friedman1
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.inspection import PartialDependenceDisplay
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skgn import (
    GaussNewtonMLPClassifier,
    GaussNewtonMLPEnsembleClassifier,
    GaussNewtonMLPRegressor,
)
from skgn.displays import (
    AlphaPathDisplay,
    EncodingDisplay,
    LossCurveDisplay,
    MembersDisplay,
)
from skgn.displays.alpha_path import _chosen
from skgn.displays.loss_curve import REASONS

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")

OF_A_NETWORK = [LossCurveDisplay, AlphaPathDisplay, EncodingDisplay]


@pytest.fixture(autouse=True)
def closed_figures():
    plt.close("all")
    yield
    plt.close("all")


def problem(m=300, **parameters):
    options = {"n_informative": 4, "flip_y": 0.1, "random_state": 0, **parameters}
    return make_classification(m, 6, **options)


def network(**parameters):
    options = {"hidden_layer_sizes": (5,), "random_state": 0, **parameters}
    return GaussNewtonMLPClassifier(**options)


@pytest.fixture(scope="module")
def searched():
    return network(encoding="piecewise").fit(*problem())


@pytest.fixture(scope="module")
def ensemble():
    networks = [{"encoding": None}, {"encoding": "piecewise", "activation": "silu"}]
    return GaussNewtonMLPEnsembleClassifier(networks, random_state=0).fit(*problem())


def draw(display, estimator, **options):
    if display is EncodingDisplay:
        options["feature"] = 0
    return display.from_estimator(estimator, **options)


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# What all have in common


@pytest.mark.parametrize("display", [*OF_A_NETWORK, MembersDisplay])
def test_axes(display, searched, ensemble):
    """The axes given are drawn on; without any there is a new figure."""
    estimator = ensemble if display is MembersDisplay else searched
    figure, (one, other) = plt.subplots(1, 2)
    drawn = draw(display, estimator, ax=other)
    assert isinstance(drawn, display)
    assert drawn.ax_ is other and drawn.figure_ is figure and not one.has_data()
    assert drawn.plot() is drawn  # again, elsewhere
    assert drawn.figure_ is not figure
    drawn.figure_.canvas.draw()
    assert len(plt.get_fignums()) == 2


@pytest.mark.parametrize("display", [*OF_A_NETWORK, MembersDisplay])
def test_without_matplotlib(display, searched, ensemble, monkeypatch):
    """The error is that of scikit-learn, before anything else is looked at."""
    estimator = ensemble if display is MembersDisplay else searched
    drawn = draw(display, estimator)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    words = "requires matplotlib. You can install matplotlib with `pip install"
    with pytest.raises(ImportError, match=rf"{display.__name__}.from_estimator {words}"):
        draw(display, None)
    with pytest.raises(ImportError, match=rf"{display.__name__}.plot {words}"):
        drawn.plot()
    with pytest.raises(ImportError) as theirs:
        PartialDependenceDisplay.from_estimator(searched, problem()[0], [0])
    with pytest.raises(ImportError) as own:
        draw(display, estimator)
    own, theirs = str(own.value), str(theirs.value)
    assert own.partition(" ")[2] == theirs.partition(" ")[2]


@pytest.mark.parametrize("display", [*OF_A_NETWORK, MembersDisplay])
def test_unfitted(display):
    ensemble = display is MembersDisplay
    estimator = GaussNewtonMLPEnsembleClassifier() if ensemble else network()
    with pytest.raises(NotFittedError, match=type(estimator).__name__):
        draw(display, estimator)
    assert not plt.get_fignums()


@pytest.mark.parametrize("display", OF_A_NETWORK)
def test_not_a_network(display, searched, ensemble):
    """The error tells what is to be given instead."""
    X, y = problem(60)
    search = GridSearchCV(network(max_iter=1), {"max_iter": [1]}, cv=2, refit=False)
    search.best_estimator_ = searched
    for given, name, hint in (
        (ensemble, "GaussNewtonMLPEnsembleClassifier", r"estimators_\[0\]"),
        (make_pipeline(searched), "Pipeline", r"its \[-1\]"),
        (search, "GridSearchCV", "Give its best_estimator_"),
        (LogisticRegression().fit(X, y), "LogisticRegression", ""),
        (GaussNewtonMLPClassifier, "the class GaussNewtonMLPClassifier", ""),
    ):
        with pytest.raises(TypeError, match=rf"{display.__name__} .*got {name}.*{hint}"):
            draw(display, given)


def test_not_an_ensemble(searched):
    with pytest.raises(TypeError, match=r"got GaussNewtonMLPClassifier\. It is a single"):
        MembersDisplay.from_estimator(searched)
    with pytest.raises(TypeError, match=r"got Pipeline\. Give the step"):
        MembersDisplay.from_estimator(make_pipeline(searched))
    with pytest.raises(TypeError, match=r"got NoneType\.$"):
        MembersDisplay.from_estimator(None)


# Loss curves


def assert_draws_the_history(drawn, net):
    names = ["objective", "cost"]
    if not np.isnan(net.history_["validation_loss"]).all():
        names.append("validation_loss")
    assert len(drawn.lines_) == len(names)
    for name, line in zip(names, drawn.lines_, strict=True):
        assert_array_equal(line.get_ydata(), net.history_[name])
    assert drawn.end_.get_label() == f"end: {REASONS[net.stop_reason_]}"
    assert drawn.end_.get_label() in labels(drawn.ax_)
    x = drawn.lines_[0].get_xdata()
    assert_array_equal(drawn.end_.get_xdata(), x[-1:])
    assert_array_equal(drawn.kept_.get_xdata(), [x[net.best_iter_]] * 2)
    drawn.figure_.canvas.draw()


@pytest.mark.parametrize(
    "reason, unit, parameters",
    [
        ("converged", "iteration", {"alpha": 0.1}),
        ("cost_threshold", "iteration", {"cost_threshold": 0.5}),
        ("max_iter", "iteration", {"alpha": 0.1, "max_iter": 2}),
        ("validation", "iteration", {"alpha": 0.0, "early_stopping": True}),
        ("schedule", "epoch", {"batch_size": 32, "max_iter": 3}),
        ("schedule", "epoch", {"batch_size": 32, "max_iter": 3, "early_stopping": True}),
        (
            "cost_threshold",
            "epoch",
            {"batch_size": 32, "alpha": 1e-4, "cost_threshold": 0.3},
        ),
        ("converged", "iteration", {"solver": "joint", "alpha": 0.1}),
    ],
)
@pytest.mark.parametrize("x", ["iteration", "seconds"])
def test_reasons(reason, unit, parameters, x):
    """The curves are those of the history; the end has its reason, the axis its unit."""
    net = network(**parameters)
    if reason == "max_iter":
        with pytest.warns(ConvergenceWarning):
            net.fit(*problem())
    else:
        net.fit(*problem())
    assert net.stop_reason_ == reason
    drawn = LossCurveDisplay.from_estimator(net, x=x)
    assert_draws_the_history(drawn, net)
    at = np.arange(net.n_iter_ + 1) if x == "iteration" else net.history_["seconds"]
    assert_array_equal(drawn.lines_[0].get_xdata(), at)
    label = unit if x == "iteration" else "seconds since the start of the fit"
    assert drawn.ax_.get_xlabel() == label
    assert drawn.kept_.get_label() == f"weights kept: {unit} {net.best_iter_}"
    if net.cost_threshold_ is None:
        assert drawn.threshold_ is None
    else:
        assert_array_equal(drawn.threshold_.get_ydata(), [net.cost_threshold_] * 2)


def test_single_class():
    net = network().fit(np.ones((4, 1)), np.zeros(4))
    drawn = LossCurveDisplay.from_estimator(net)
    assert_draws_the_history(drawn, net)
    assert drawn.ax_.get_yscale() == "linear"


def test_of_steps_that_diverge():
    """Values that are not finite are left out; iterations are no epochs."""
    X, y = problem()
    net = network(
        hidden_layer_sizes=(8, 8), solver="sequential", safeguard=None, max_iter=15
    )
    with pytest.warns(ConvergenceWarning):
        net.fit(X, y)
    drawn = LossCurveDisplay.from_estimator(net)
    assert_draws_the_history(drawn, net)
    assert drawn.ax_.get_xlabel() == "iteration"
    history = {
        name: np.array([1.0, 2.0, np.inf, np.nan]) for name in ("objective", "cost")
    }
    drawn = LossCurveDisplay(history=history, stop_reason="diverged").plot()
    assert_array_equal(drawn.end_.get_ydata(), [2.0])
    history = {name: np.full(1, np.nan) for name in ("objective", "cost")}
    drawn = LossCurveDisplay(history=history, stop_reason="diverged").plot()
    assert not drawn.lines_ and np.isnan(drawn.end_.get_ydata()).all()


def test_of_streams():
    """Points are calls; after a fit they follow its iterations."""
    X, y = problem()
    net = network(encoding=None)
    for _ in range(3):
        net.partial_fit(X, y, classes=[0, 1])
    drawn = LossCurveDisplay.from_estimator(net)
    assert_draws_the_history(drawn, net)
    assert_array_equal(drawn.lines_[0].get_xdata(), [1, 2, 3])
    assert drawn.ax_.get_xlabel() == "call of partial_fit"
    assert drawn.kept_.get_label() == "weights kept: call of partial_fit 3"
    net = network(encoding=None).fit(X, y)
    before = net.n_iter_
    drawn = LossCurveDisplay.from_estimator(net.partial_fit(X, y))
    assert_draws_the_history(drawn, net)
    assert_array_equal(drawn.lines_[0].get_xdata(), np.arange(before + 2))
    assert drawn.ax_.get_xlabel() == "iteration or call of partial_fit"


def test_members_that_ran_out_of_time():
    """A network that remains what its search has made of it has been asked to stop."""
    options = {"max_time": 1e-3, "random_state": 0}
    net = GaussNewtonMLPEnsembleClassifier(**options).fit(*problem()).estimators_[0]
    assert net.stop_reason_ == "callback"
    for x in ("iteration", "seconds"):
        assert_draws_the_history(LossCurveDisplay.from_estimator(net, x=x), net)


@pytest.mark.parametrize("reason", [*REASONS, "a newer one", None])
def test_any_reason(reason):
    history = {name: np.array([0.5, 0.4]) for name in ("objective", "cost", "seconds")}
    drawn = LossCurveDisplay(history=history, stop_reason=reason).plot()
    assert drawn.kept_ is None and drawn.threshold_ is None
    if reason is None:
        assert drawn.end_ is None
    else:
        assert drawn.end_.get_label() == f"end: {REASONS.get(reason, reason)}"


@pytest.mark.parametrize(
    "values, threshold, scale",
    [
        ([0.5, 0.4], None, "linear"),
        ([0.5, 0.05], None, "log"),
        ([0.5, 0.4], 0.01, "log"),
        ([0.5, 0.0], None, "linear"),
        ([0.5, 0.05], 0.0, "linear"),
    ],
)
def test_scale(values, threshold, scale):
    """A logarithmic axis is for wide, positive values."""
    history = {name: np.array(values) for name in ("objective", "cost")}
    display = LossCurveDisplay(history=history, cost_threshold=threshold)
    assert display.plot().ax_.get_yscale() == scale
    for asked in ("linear", "log"):
        drawn = display.plot(scale=asked)
        assert drawn.ax_.get_yscale() == asked
        drawn.figure_.canvas.draw()


def test_options_of_loss_curves(searched):
    drawn = LossCurveDisplay.from_estimator(searched, line_kw={"lw": 7, "ls": ":"})
    assert {line.get_linewidth() for line in drawn.lines_} == {7}
    with pytest.raises(ValueError, match=r"x must be among .*; got 'epoch'"):
        LossCurveDisplay.from_estimator(searched, x="epoch")
    with pytest.raises(ValueError, match=r"scale must be among .*; got 'wide'"):
        drawn.plot(scale="wide")
    assert len(plt.get_fignums()) == 1


# The path of the penalty


@pytest.mark.parametrize("flip_y", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("batch_size", [None, 32])
def test_path(flip_y, batch_size):
    """The point marked is the one whose penalty the fit has, times a share."""
    X, y = problem(flip_y=flip_y)
    net = network(batch_size=batch_size).fit(X, y)
    path, share = net.alpha_path_, 2 / 3  # of the samples, that the search trains on
    drawn = AlphaPathDisplay.from_estimator(net)
    assert_array_equal(drawn.line_.get_xdata(), path["alpha"])
    assert_array_equal(drawn.line_.get_ydata(), path["log_loss"])
    assert_array_equal(drawn.evidence_.get_xdata(), path["alpha"][:1])
    (chosen,) = np.flatnonzero(np.isclose(path["alpha"] * share, net.alpha_))
    assert drawn.chosen == chosen
    assert_array_equal(drawn.chosen_.get_xdata(), path["alpha"][[chosen]])
    assert_array_equal(drawn.chosen_.get_ydata(), path["log_loss"][[chosen]])
    assert_array_equal(drawn.fit_alpha_.get_xdata(), [net.alpha_] * 2)
    assert drawn.ax_.get_xscale() == "log"
    assert f"chosen: {path['alpha'][chosen]:.2g}" in labels(drawn.ax_)
    drawn.figure_.canvas.draw()


def test_choice():
    """It is the least penalty not below that of the fit, up to the lowest log-loss."""
    alpha = np.array([1.0, 0.25, 0.0625, 0.015625])
    falling, lowest_first = np.array([4.0, 3.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])
    assert _chosen(alpha, falling, 0.25) == 1  # samples of early stopping: all trained on
    assert _chosen(alpha, falling, 0.85) == 0
    assert _chosen(alpha, falling, 0.85 * 0.0625) == 2
    assert _chosen(alpha, falling, 0.1 * 0.0625) == 2  # a small share of very many
    assert _chosen(alpha, lowest_first, 0.2) == 0
    assert _chosen(alpha, falling, 2.0) is None
    assert _chosen(alpha, np.full(4, np.nan), 0.5) == 0
    drawn = AlphaPathDisplay(alpha=alpha, loss=falling).plot(line_kw={"lw": 7})
    assert drawn.chosen_ is None and drawn.fit_alpha_ is None
    assert drawn.line_.get_linewidth() == 7


def test_path_before_a_stream(searched):
    """Chunks that came later have moved alpha_, and not the choice."""
    X, y = problem()
    net = network().fit(X, y)
    before = AlphaPathDisplay.from_estimator(net)
    net.partial_fit(X, y)
    drawn = AlphaPathDisplay.from_estimator(net)
    assert (drawn.chosen, drawn.fit_alpha) == (before.chosen, before.fit_alpha)


@pytest.mark.parametrize(
    "m, parameters, reason",
    [
        (300, {"alpha": 0.1}, r"alpha=0\.1 was given\. Fit with alpha='auto'"),
        (100, {}, r".* the evidence alone; .* from 150 samples on"),
        (300, {"solver": "joint"}, r"solver='joint' does not search"),
    ],
)
def test_no_path(m, parameters, reason):
    net = network(**parameters).fit(*problem(m))
    with pytest.raises(ValueError, match=f"There is no path to draw: {reason}"):
        AlphaPathDisplay.from_estimator(net)


def test_no_path_of_fits_that_did_not_search():
    X, y = problem()
    net = network(encoding=None).partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"partial_fit holds no samples out\. Use fit"):
        AlphaPathDisplay.from_estimator(net)
    net = network().fit(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="one class only"):
        AlphaPathDisplay.from_estimator(net)
    net = network().fit(X[:100], y[:100])
    net.stop_reason_ = "interrupted"
    with pytest.raises(ValueError, match="interrupted, perhaps before the search"):
        AlphaPathDisplay.from_estimator(net)


# Encodings


def test_encoding(searched):
    """The lines are the columns that the network has of the feature."""
    knots = searched.encoder_.knots[2]
    drawn = EncodingDisplay.from_estimator(searched, 2)
    assert_array_equal([path[0, 0] for path in drawn.knots_.get_segments()], knots)
    values = np.linspace(knots[0], knots[-1], 101)
    X = np.tile(problem()[0].mean(axis=0), (101, 1))
    X[:, 2] = values
    names = list(searched.encoded_feature_names_out_)
    assert len(drawn.lines_) == len(knots) - 1
    for i, line in enumerate(drawn.lines_):
        own = searched.encode(X)[:, names.index(f"x2_step{i}")]
        assert_allclose(np.interp(values, *line.get_data()), own, atol=1e-12)
    assert drawn.ax_.get_xlabel() == "x2"
    assert drawn.ax_.get_xlim() == (knots[0], knots[-1])
    assert EncodingDisplay.from_estimator(searched, -4).feature_name == "x2"
    drawn = EncodingDisplay.from_estimator(
        searched, 2, line_kw={"lw": 7}, knots_kw={"color": "red"}
    )
    assert {line.get_linewidth() for line in drawn.lines_} == {7}
    assert_array_equal(drawn.knots_.get_color(), [[1, 0, 0, 1]])


def test_knots_alone(searched):
    """They leave what is there as it is."""
    X, _ = problem()
    dependence = PartialDependenceDisplay.from_estimator(searched, X, [1])
    ax = dependence.axes_[0, 0]
    before = ax.get_xlim(), ax.get_ylim(), ax.get_xlabel(), ax.get_ylabel()
    drawn = EncodingDisplay.from_estimator(searched, 1, ax=ax, steps=False)
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_xlabel(), ax.get_ylabel()) == before
    assert drawn.lines_ is None
    assert len(drawn.knots_.get_segments()) == len(searched.encoder_.knots[1])
    drawn = EncodingDisplay.from_estimator(searched, 1, steps=False)
    assert drawn.ax_.get_xlabel() == "x1"


def test_encoding_of_a_frame():
    """Features have names; categories have no knots."""
    pd = pytest.importorskip("pandas")
    X, y = problem()
    frame = pd.DataFrame(X[:, :2], columns=["age", "size"]).assign(
        colour=pd.Categorical(np.where(X[:, 2] > 0, "red", "blue")),
        sign=(X[:, 3] > 0).astype(int),
    )
    net = network(encoding="piecewise", alpha=0.1).fit(frame, y)
    drawn = EncodingDisplay.from_estimator(net, "size")
    assert_array_equal(drawn.knots, net.encoder_.knots[1])
    assert drawn.ax_.get_xlabel() == "size"
    for feature, reason in (
        ("colour", "knots of feature 'colour' to draw: it is a category"),
        ("sign", "knots of feature 'sign' to draw: it has too few values. 2 of 4"),
        ("other", r"none of the features: \['age'"),
        (4, "not the position of one of 4"),
    ):
        with pytest.raises(ValueError, match=reason):
            EncodingDisplay.from_estimator(net, feature)


def test_no_steps(searched):
    X, y = problem()
    with pytest.raises(ValueError, match=r"without names\. Give its position"):
        EncodingDisplay.from_estimator(searched, "x0")
    net = network(encoding=None, alpha=0.1).fit(X, y)
    with pytest.raises(ValueError, match=r"no feature has steps\. Fit with encoding='pi"):
        EncodingDisplay.from_estimator(net, 0)
    net = network(encoding="piecewise", alpha=0.1).fit(np.sign(X), y)
    with pytest.raises(ValueError, match=r"no feature has steps\. Dense numeric"):
        EncodingDisplay.from_estimator(net, 0)


# Ensembles


def test_members(ensemble):
    """A bar per network, of the length of its weight, with its log-loss beside it."""
    table = ensemble.selection_
    drawn = MembersDisplay.from_estimator(ensemble)
    assert_array_equal([bar.get_width() for bar in drawn.bars_], table["weight"])
    texts = [text.get_text() for text in drawn.texts_]
    assert texts == [f"log-loss {loss:.3g}" for loss in table["log_loss"]]
    own = [tick.get_text() for tick in drawn.ax_.get_yticklabels()]
    assert own[0] == "1: encoding=None"
    assert own[1].split() == ["2:", "activation='silu',", "encoding='piecewise'"]
    top, bottom = (bar.get_y() for bar in drawn.bars_)
    assert top < bottom and drawn.ax_.yaxis_inverted()
    drawn = MembersDisplay.from_estimator(ensemble, bar_kw={"color": "red"})
    assert drawn.bars_[0].get_facecolor() == (1, 0, 0, 1)


def test_members_without_log_losses():
    """Of few samples none are held out; of one class there is nothing to weigh."""
    for y in (problem(60)[1], np.zeros(60)):
        own = GaussNewtonMLPEnsembleClassifier([{"max_iter": 50, "alpha": 0.1}] * 2)
        drawn = MembersDisplay.from_estimator(own.fit(problem(60)[0], y))
        assert_array_equal(
            [bar.get_width() for bar in drawn.bars_], own.selection_["weight"]
        )
        drawn.figure_.canvas.draw()


def test_members_that_were_left_out():
    selection = {
        "parameters": [{"random_state": 3}, {"alpha": 0.1}, {}],
        "stage": ["fitted", "begun", "waiting"],
        "log_loss": [np.nan, 0.5, np.nan],
        "weight": [1.0, 0.0, 0.0],
    }
    drawn = MembersDisplay(selection=selection).plot()
    texts = [text.get_text() for text in drawn.texts_]
    assert texts == ["", "left out at the beginning", "no time to begin"]
    own = [tick.get_text() for tick in drawn.ax_.get_yticklabels()]
    assert own == ["1: default", "2: alpha=0.1", "3: default"]


def test_displays_of_a_regressor():
    """Of its own loss."""
    X, y = make_friedman1(300, 5, random_state=0)
    net = GaussNewtonMLPRegressor((5,), early_stopping=True, random_state=0).fit(X, y)
    curves = LossCurveDisplay.from_estimator(net)
    assert len(curves.lines_) == 3
    path = AlphaPathDisplay.from_estimator(net)
    assert_array_equal(path.line_.get_ydata(), net.alpha_path_["loss"])
    assert path.ax_.get_ylabel() == "loss of held-out samples"
