"""docs/comparison.md: there is a check for each cell of its table."""

import inspect
import io
import re
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from skgn import GaussNewtonMLPClassifier

PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"
SKGN, MLP, TREES, PYTABKIT, SKORCH = COLUMNS = (
    *("skgn", "MLPClassifier", "HistGradientBoosting"),
    *("pytabkit", "skorch"),
)
RECENT = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)

X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
TRAIN, VALIDATION = (X[::2], Y[::2]), (X[1::2], Y[1::2])

#: Verdict and check, for each request and column.
CHECKS = {}


def table():
    """Return the cells of the page, by request and column."""
    lines = [x for x in PAGE.read_text("utf-8").splitlines() if x.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == ["request", *COLUMNS]
    cells = {}
    for request, *row in rows[2:]:
        for column, cell in zip(COLUMNS, row, strict=True):
            cells[request, column] = cell
    return cells


def claim(request, column, verdict):
    """Register a check of a cell that begins with this word."""

    def register(check):
        assert (request, column) not in CHECKS
        CHECKS[request, column] = verdict, check
        return check

    return register


def test_each_cell_has_a_check():
    assert CHECKS.keys() == table().keys()
    assert len(CHECKS) == 14 * len(COLUMNS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cell", CHECKS, ids=" - ".join)
def test_claim(cell):
    request, column = cell
    if column in (MLP, TREES) and not RECENT:
        pytest.skip("the page is on scikit-learn 1.9")
    verdict, check = CHECKS[cell]
    assert re.match(r"yes|partly|no|—", table()[cell])[0] == verdict
    # OpenMP waits for its threads: fits are slow where other programs run
    limit = None if request == "control of threads" else 1
    with threadpool_limits(limit, user_api="openmp"):
        check()


# What is looked at


def skgn(**parameters):
    return GaussNewtonMLPClassifier((4,), random_state=0, encoding=None, **parameters)


def mlp(**parameters):
    return MLPClassifier((4,), random_state=0, max_iter=20, **parameters)


def trees(**parameters):
    return HistGradientBoostingClassifier(max_iter=5, random_state=0, **parameters)


def pytabkit(**parameters):
    kind = pytest.importorskip("pytabkit").RealMLP_TD_Classifier
    small = {"n_epochs": 2, "hidden_sizes": [8], "n_threads": 1, "random_state": 0}
    return kind(device="cpu", **{**small, **parameters})


def torch():
    return pytest.importorskip("torch")


@cache
def module():
    """Return a class of torch modules whose layers are a parameter."""
    nn = torch().nn

    class Net(nn.Module):
        def __init__(self, sizes=(5,), activations=(nn.Tanh,), hidden=False):
            super().__init__()
            widths = (4, *sizes)
            pairs = zip(widths, sizes, activations, strict=False)
            layers = [part for n, k, act in pairs for part in (nn.Linear(n, k), act())]
            self.body = nn.Sequential(*layers)
            self.out = nn.Linear(widths[-1], 3)
            self.hidden = hidden

        def forward(self, X):
            H = self.body(X)
            return (self.out(H), H) if self.hidden else self.out(H)

    return Net


def skorch(**parameters):
    kind = pytest.importorskip("skorch").NeuralNetClassifier
    common = {"criterion": torch().nn.CrossEntropyLoss, "max_epochs": 3, "verbose": 0}
    return kind(module(), **{**common, **parameters})


def fitted(net, *args, **kwargs):
    X, y = TRAIN
    if "skorch" in type(net).__module__:
        X = X.astype(np.float32)
    return net.fit(X, y, *args, **kwargs)


def takes(kind, name, method="__init__"):
    """Return whether a method has a parameter of this name."""
    return name in inspect.signature(getattr(kind, method)).parameters


def public(net):
    """Return the public attributes of an estimator, fitted or not."""
    return {name for name in dir(net) if not name.startswith("_")}


# Class weights


def check_class_weight(net):
    plain, weighted = fitted(net()), fitted(net(class_weight={0: 1, 1: 1, 2: 100}))
    X, _ = VALIDATION
    assert weighted.predict_proba(X)[:, 2].mean() > plain.predict_proba(X)[:, 2].mean()


@claim("class weights", SKGN, "yes")
def _():
    check_class_weight(skgn)


@claim("class weights", MLP, "partly")
def _():
    assert not takes(MLPClassifier, "class_weight")
    fitted(mlp(), sample_weight=np.ones(75))


@claim("class weights", TREES, "yes")
def _():
    # every leaf has twenty samples at least by default
    check_class_weight(lambda **p: trees(min_samples_leaf=5, **p))


@claim("class weights", PYTABKIT, "no")
def _():
    kind = type(pytabkit())
    assert not takes(kind, "class_weight")
    assert not takes(kind, "sample_weight", "fit")


@claim("class weights", SKORCH, "yes")
def _():
    net = fitted(skorch(criterion__weight=torch().tensor([1.0, 2.0, 3.0])))
    assert net.criterion_.weight.tolist() == [1, 2, 3]


# Validation samples of your own


@claim("validation samples of your own", SKGN, "yes")
def _():
    X, y = VALIDATION
    net = fitted(skgn(early_stopping=True), X_val=X, y_val=y)
    assert net.validation_scores_[net.best_iter_] == pytest.approx(net.score(X, y))


@claim("validation samples of your own", MLP, "no")
def _():
    assert list(inspect.signature(MLPClassifier.fit).parameters)[3:] == ["sample_weight"]
    assert [p for p in mlp().get_params() if "val" in p] == ["validation_fraction"]


@claim("validation samples of your own", TREES, "yes")
def _():
    X, y = VALIDATION
    net = fitted(trees(early_stopping=True, scoring="accuracy"), X_val=X, y_val=y)
    assert net.validation_score_[-1] == pytest.approx(net.score(X, y))


@claim("validation samples of your own", PYTABKIT, "yes")
def _():
    fitted(pytabkit(), *VALIDATION)
    assert takes(type(pytabkit()), "X_val", "fit")
    assert takes(type(pytabkit()), "y_val", "fit")


def validated(**parameters):
    """Return a net of skorch that is fitted with validation samples."""
    dataset = pytest.importorskip("skorch.dataset").Dataset
    helper = pytest.importorskip("skorch.helper")
    X, y = VALIDATION
    split = helper.predefined_split(dataset(X.astype(np.float32), y))
    return fitted(skorch(train_split=split, **parameters))


@claim("validation samples of your own", SKORCH, "yes")
def _():
    net = validated()
    X, y = VALIDATION
    score = net.score(X.astype(np.float32), y)
    assert net.history[-1, "valid_acc"] == pytest.approx(score)


# Curve of the validation loss


@claim("curve of the validation loss", SKGN, "yes")
def _():
    X, y = VALIDATION
    net = fitted(skgn(early_stopping=True), X_val=X, y_val=y)
    losses = net.history_["validation_loss"]
    assert len(losses) == net.n_iter_ + 1
    assert losses[net.best_iter_] == pytest.approx(log_loss(y, net.predict_proba(X)))


@claim("curve of the validation loss", MLP, "no")
def _():
    net = fitted(mlp(early_stopping=True, solver="adam"))
    curves = {name for name in public(net) if "curve" in name or "valid" in name}
    curves -= {"validation_fraction"}
    assert curves == {"loss_curve_", "validation_scores_", "best_validation_score_"}
    shares = np.array(net.validation_scores_) * 8  # a tenth of the samples
    assert np.allclose(shares, shares.round())


@claim("curve of the validation loss", TREES, "yes")
def _():
    X, y = VALIDATION
    net = fitted(trees(early_stopping=True, scoring="loss"), X_val=X, y_val=y)
    loss = log_loss(y, net.predict_proba(X))
    assert -net.validation_score_[-1] == pytest.approx(loss)
    assert len(net.validation_score_) == net.n_iter_ + 1


@claim("curve of the validation loss", PYTABKIT, "partly")
def _():
    printed = io.StringIO()
    with redirect_stdout(printed):
        net = fitted(pytabkit(verbosity=2, val_metric_name="cross_entropy"), *VALIDATION)
    assert printed.getvalue().count("val cross_entropy = ") == 2
    kept = {name for name in public(net) if re.search("curve|history|loss|score", name)}
    assert kept == {"score", "set_score_request"}
    assert "loss" not in str(net.fit_params_)


@claim("curve of the validation loss", SKORCH, "yes")
def _():
    assert len(validated().history[:, "valid_loss"]) == 3


# Choice of the metric that stops


@claim("choice of the metric that stops", SKGN, "yes")
def _():
    if not RECENT:
        pytest.skip("callbacks need scikit-learn 1.9")
    from skgn.callbacks import ScoreStopping

    stopping = ScoreStopping("balanced_accuracy", n_iter_no_change=1)
    net = skgn(early_stopping=True).set_callbacks(stopping)
    assert fitted(net, X_val=X, y_val=Y).stop_reason_ == "callback"


@claim("choice of the metric that stops", MLP, "no")
def _():
    assert not [p for p in mlp().get_params() if re.search("scor|metric|monitor", p)]


@claim("choice of the metric that stops", TREES, "yes")
def _():
    fitted(trees(early_stopping=True, scoring="balanced_accuracy"))


@claim("choice of the metric that stops", PYTABKIT, "yes")
def _():
    net = fitted(pytabkit(val_metric_name="brier", use_early_stopping=True), *VALIDATION)
    assert list(net.fit_params_["stop_epoch"]) == ["brier"]


@claim("choice of the metric that stops", SKORCH, "yes")
def _():
    callbacks = pytest.importorskip("skorch.callbacks")
    score = callbacks.EpochScoring("balanced_accuracy", lower_is_better=False, name="own")
    stop = callbacks.EarlyStopping("own", patience=2, threshold=10.0)
    net = validated(callbacks=[score, stop], max_epochs=9)
    assert len(net.history) < 9


# Other losses of a classifier


@claim("other losses of a classifier", SKGN, "no")
def _():
    assert not [p for p in skgn().get_params() if re.search("loss|criterion|metric", p)]


@claim("other losses of a classifier", MLP, "no")
def _():
    assert "loss" not in mlp().get_params()
    assert fitted(mlp()).loss == "log_loss"


@claim("other losses of a classifier", TREES, "no")
def _():
    options = trees()._parameter_constraints["loss"][0].options
    assert options == {"log_loss"}


@claim("other losses of a classifier", PYTABKIT, "yes")
def _():
    probabilities = [
        fitted(pytabkit(train_metric_name=name), *VALIDATION).predict_proba(X)
        for name in ("cross_entropy", "brier")
    ]
    assert not np.allclose(*probabilities)


@claim("other losses of a classifier", SKORCH, "yes")
def _():
    net = fitted(skorch(criterion=torch().nn.MultiMarginLoss))
    assert isinstance(net.criterion_, torch().nn.MultiMarginLoss)


# Activation of each layer


@claim("activation of each layer", SKGN, "yes")
def _():
    two = skgn(activation=("relu", "tanh")).set_params(hidden_layer_sizes=(4, 3))
    assert fitted(two).activations_ == ("relu", "tanh")


@claim("activation of each layer", MLP, "no")
def _():
    with pytest.raises(ValueError, match="'activation' parameter"):
        fitted(mlp(activation=("relu",)))


@claim("activation of each layer", TREES, "—")
def _():
    assert not [p for p in trees().get_params() if re.search("layer|activation", p)]


@claim("activation of each layer", PYTABKIT, "no")
def _():
    net = fitted(pytabkit(act="relu"), *VALIDATION)
    with pytest.raises(ValueError, match=r"Activation .* unknown"):
        fitted(net.set_params(hidden_sizes=[8, 8], act=["relu", "selu"]), *VALIDATION)


@claim("activation of each layer", SKORCH, "yes")
def _():
    kinds = torch().nn.ReLU, torch().nn.Tanh
    net = fitted(skorch(module__sizes=(4, 3), module__activations=kinds))
    assert [type(net.module_.body[i]) for i in (1, 3)] == list(kinds)


# Callbacks and progress


@claim("callbacks and progress", SKGN, "yes")
def _():
    assert takes(GaussNewtonMLPClassifier, "verbose")
    if not RECENT:
        pytest.skip("callbacks need scikit-learn 1.9")
    from skgn.callbacks import TimeLimit

    assert fitted(skgn().set_callbacks(TimeLimit(1e-9))).stop_reason_ == "callback"


@claim("callbacks and progress", MLP, "partly")
def _():
    assert "verbose" in mlp().get_params()
    assert not [x for x in public(mlp()) if "callback" in x]


@claim("callbacks and progress", TREES, "partly")
def _():
    assert "verbose" in trees().get_params()
    assert not [x for x in public(trees()) if "callback" in x]


@claim("callbacks and progress", PYTABKIT, "partly")
def _():
    net = pytabkit()
    assert takes(type(net), "verbosity")
    names = public(net) | {*net.get_params(), *inspect.signature(net.fit).parameters}
    assert not [x for x in names if "callback" in x]


@claim("callbacks and progress", SKORCH, "yes")
def _():
    kind = pytest.importorskip("skorch.callbacks").Callback
    epochs = []

    class Note(kind):
        def on_epoch_end(self, net, **kwargs):
            epochs.append(len(net.history))

    fitted(skorch(callbacks=[Note()]))
    assert epochs == [1, 2, 3]
    assert "verbose" in skorch().get_params()


# Search over layers


def check_search(net, name, values, X=X):
    search = GridSearchCV(net, {name: values}, cv=2, error_score="raise").fit(X, Y)
    assert search.best_params_[name] in values


@claim("search over layers", SKGN, "yes")
def _():
    check_search(skgn(), "hidden_layer_sizes", [(), (3,), (3, 3)])


@claim("search over layers", MLP, "yes")
def _():
    check_search(mlp(), "hidden_layer_sizes", [(3,), (3, 3)])


@claim("search over layers", TREES, "—")
def _():
    assert not [p for p in trees().get_params() if "layer" in p or "hidden" in p]


@claim("search over layers", PYTABKIT, "yes")
def _():
    check_search(pytabkit(), "hidden_sizes", [[8], [8, 8]])
    assert hasattr(pytest.importorskip("pytabkit"), "RealMLP_HPO_Classifier")


@claim("search over layers", SKORCH, "yes")
def _():
    values = [(3,), (3, 3)]
    kinds = (torch().nn.ReLU,) * 2
    net = skorch(module__activations=kinds)
    check_search(net, "module__sizes", values, X.astype(np.float32))


# Control of threads


def blas():
    """Return the limits of the pools of threads of the process."""
    return [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]


def check_threads(net):
    assert not [p for p in net.get_params() if re.search("jobs|thread", p)]
    with threadpool_limits(1):
        fitted(net)
        assert {limit for _, limit in blas()} <= {1}
    before = blas()
    fitted(net)
    assert [pool for pool in blas() if pool in before] == before


@claim("control of threads", SKGN, "yes")
def _():
    check_threads(skgn())


@claim("control of threads", MLP, "yes")
def _():
    check_threads(mlp())


@claim("control of threads", TREES, "yes")
def _():
    check_threads(trees())


@claim("control of threads", PYTABKIT, "yes")
def _():
    assert fitted(pytabkit(n_threads=1), *VALIDATION).n_threads_ == 1


@claim("control of threads", SKORCH, "partly")
def _():
    assert not [p for p in skorch().get_params() if re.search("jobs|thread", p)]
    assert callable(torch().set_num_threads)


# Scale of the penalty


def check_scale(net, alpha):
    """Check that the objective is the log-loss and half of alpha times the squares."""
    X, y = TRAIN
    squares = sum((W**2).sum() for W in net.coefs_)
    cost = log_loss(y, net.predict_proba(X))
    assert net.loss_ == pytest.approx(cost + alpha / 2 * squares, rel=1e-6)


@claim("scale of the penalty", SKGN, "yes")
def _():
    check_scale(fitted(skgn(alpha=0.02, standardize=False)), 0.02)


@claim("scale of the penalty", MLP, "partly")
def _():
    check_scale(fitted(mlp(alpha=1.5, solver="lbfgs")), 1.5 / 75)


@claim("scale of the penalty", TREES, "yes")
def _():
    large, small = (
        np.ptp(fitted(trees(l2_regularization=l2)).decision_function(X))
        for l2 in (0.0, 1e6)
    )
    assert small < 1e-2 * large


@claim("scale of the penalty", PYTABKIT, "partly")
def _():
    assert takes(type(pytabkit()), "wd")


@claim("scale of the penalty", SKORCH, "partly")
def _():
    net = fitted(skorch(optimizer__weight_decay=0.1))
    assert net.optimizer_.param_groups[0]["weight_decay"] == 0.1


# Logits


def check_logits(net):
    Z = fitted(net).decision_function(X)
    P = np.exp(Z - Z.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(P, net.predict_proba(X), atol=1e-12)


@claim("logits", SKGN, "yes")
def _():
    check_logits(skgn())


@claim("logits", MLP, "no")
def _():
    assert not {"decision_function", "logits", "forward"} & public(fitted(mlp()))


@claim("logits", TREES, "yes")
def _():
    check_logits(trees())


@claim("logits", PYTABKIT, "no")
def _():
    assert not {"decision_function", "logits", "forward"} & public(pytabkit())


@claim("logits", SKORCH, "yes")
def _():
    Z = fitted(skorch()).forward(X.astype(np.float32))
    assert Z.shape == (150, 3)
    assert not np.allclose(Z.sum(axis=1), 1)


# Hidden activations


@claim("hidden activations", SKGN, "yes")
def _():
    assert fitted(skgn()).hidden_activations(X).shape == (150, 4)


@claim("hidden activations", MLP, "partly")
def _():
    net = fitted(mlp(activation="tanh"))
    assert not [
        name for name in public(net) if re.search("hidden(?!_layer)|forward", name)
    ]
    H = np.tanh(X @ net.coefs_[0] + net.intercepts_[0])
    Z = H @ net.coefs_[1] + net.intercepts_[1]
    assert (Z.argmax(axis=1) == net.predict(X)).all()


@claim("hidden activations", TREES, "—")
def _():
    assert not [name for name in public(trees()) if "hidden" in name]


@claim("hidden activations", PYTABKIT, "no")
def _():
    methods = {x for x in public(pytabkit()) if callable(getattr(pytabkit(), x, None))}
    assert not [x for x in methods if re.search("hidden|activation|embed|transform", x)]


@claim("hidden activations", SKORCH, "yes")
def _():
    net = skorch(module__hidden=True).initialize()
    Z, H = net.forward(X.astype(np.float32))
    assert (Z.shape, H.shape) == ((150, 3), (150, 5))


# Training like Levenberg-Marquardt


@claim("training like Levenberg-Marquardt", SKGN, "yes")
def _():
    net = fitted(skgn(alpha=0.0))
    damping, objective = net.history_["damping"], net.history_["objective"]
    assert len(set(damping)) > 2  # it is adapted
    assert (np.diff(objective) <= 0).all()


@claim("training like Levenberg-Marquardt", MLP, "no")
def _():
    options = mlp()._parameter_constraints["solver"][0].options
    assert options == {"lbfgs", "sgd", "adam"}


@claim("training like Levenberg-Marquardt", TREES, "—")
def _():
    assert not [p for p in trees().get_params() if "solver" in p or "optim" in p]


@claim("training like Levenberg-Marquardt", PYTABKIT, "no")
def _():
    pytabkit()
    optimizers = pytest.importorskip("pytabkit.models.optim.optimizers")
    names = re.findall("opt_name == '(.*?)'", inspect.getsource(optimizers))
    assert {"adam", "sgd"} <= set(names)
    assert not [n for n in names if re.search("newton|lm|lev|marq|kfac|shampoo", n)]


@claim("training like Levenberg-Marquardt", SKORCH, "partly")
def _():
    assert takes(pytest.importorskip("skorch").NeuralNet, "optimizer")
    names = " ".join(dir(torch().optim))
    assert "LBFGS" in names
    assert not re.search("(?i)newton|levenberg|marquardt|kfac", names)


# GPU


def check_no_device(net):
    assert not [p for p in net.get_params() if re.search("device|gpu|cuda", p)]
    assert not net.__sklearn_tags__().array_api_support


@claim("GPU", SKGN, "no")
def _():
    check_no_device(skgn())


@claim("GPU", MLP, "no")
def _():
    check_no_device(mlp())


@claim("GPU", TREES, "no")
def _():
    check_no_device(trees())


@claim("GPU", PYTABKIT, "yes")
def _():
    assert takes(type(pytabkit()), "device")


@claim("GPU", SKORCH, "yes")
def _():
    net = fitted(skorch(device="cpu"))
    assert next(net.module_.parameters()).device.type == "cpu"
