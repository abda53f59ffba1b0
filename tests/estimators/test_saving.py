"""Files of fitted estimators: what they hold, and how large they are."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skgn import GaussNewtonMLPClassifier, GaussNewtonMLPEnsembleClassifier
from tests.golden import make
from tests.problems import multiclass

NETWORK = "skgn.estimators.classifier.GaussNewtonMLPClassifier"
ENSEMBLE = "skgn.estimators.ensemble_classifier.GaussNewtonMLPEnsembleClassifier"


def pieces_and_categories():
    pytest.importorskip("pandas")
    _, X = make.table()
    y = np.arange(len(X)) % 2
    return make.net(encoding="piecewise").fit(X, y), X


def object_labels():
    X, y = make.data(n_classes=3)
    labels = np.array(["low", "middle", "high"], dtype=object)
    return make.net().fit(X, labels[y]), X


def ended_stream():
    model, X = make.stream()
    return model.end_stream(), X


def to_go_on():
    X, y = make.data()
    return make.net(batch_size=32, warm_start=True).fit(X, y), X


def ensemble():
    X, y = make.data(300)
    pair = [{}, {"encoding": "piecewise", "hidden_layer_sizes": (3,)}]
    return GaussNewtonMLPEnsembleClassifier(pair, random_state=0).fit(X, y), X


KINDS = (
    *make.KINDS,
    *(pieces_and_categories, object_labels, ended_stream, to_go_on, ensemble),
)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def fitted(request):
    """A fitted estimator and samples."""
    if request.param in (make.table, make.named_columns):
        pytest.importorskip("pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return request.param()


def networks(model):
    """Return the networks of an estimator."""
    return getattr(model, "estimators_", [model])


def assert_same(one, other, X):
    """Two estimators are alike, bit by bit; their weights are locked."""
    assert vars(one).keys() == vars(other).keys()
    assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert_array_equal(one.predict(X), other.predict(X))
    assert_array_equal(one.classes_, other.classes_)
    assert one.classes_.dtype == other.classes_.dtype
    for own, its in zip(networks(one), networks(other), strict=True):
        for name in ("coefs_", "intercepts_"):
            pairs = zip(getattr(own, name), getattr(its, name), strict=True)
            for W, V in pairs:
                assert W.dtype == V.dtype
                assert_array_equal(W, V)
                assert not W.flags.writeable
        assert not own.mean_.flags.writeable
        for name, column in own.history_.items():
            assert_array_equal(column, its.history_[name])


def assert_plain(value):
    """A value is of Python's own types and arrays of numbers, strings, or such values."""
    if isinstance(value, GaussNewtonMLPClassifier):
        value = value.__getstate__()
    if type(value) is np.ndarray:
        value = value.tolist() if value.dtype == object else None
    if type(value) in (list, tuple):
        for own in value:
            assert_plain(own)
    elif type(value) is dict:
        for name, own in value.items():
            assert type(name) in (str, int)
            assert_plain(own)
    else:
        assert value is None or type(value) in (bool, int, float, str)


def test_the_state_is_plain(fitted):
    assert_plain(fitted[0].__getstate__())


def test_skops_has_to_trust_the_class_alone(fitted):
    """Of an ensemble that of its networks, too."""
    skops = pytest.importorskip("skops.io")
    model, X = fitted
    data = skops.dumps(model)
    types = skops.get_untrusted_types(data=data)
    assert set(types) == (
        {NETWORK, ENSEMBLE} if hasattr(model, "weights_") else {NETWORK}
    )
    assert_same(skops.loads(data, trusted=types), model, X)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickle, joblib, "r", "r+"])
def test_copies(fitted, again, tmp_path):
    """Of any kind are like what they are copies of."""
    model, X = fitted
    if again is pickle:
        other = pickle.loads(pickle.dumps(model))
    elif callable(again):
        other = again(model)
    else:
        mode = None if again is joblib else again
        joblib.dump(model, tmp_path / "model")
        other = joblib.load(tmp_path / "model", mmap_mode=mode)
    assert other is not model
    assert_same(other, model, X)
    assert_same(pickle.loads(pickle.dumps(other)), model, X)  # and can be copied, too


def test_weights_stay_in_the_file(tmp_path):
    """Until they are asked for, where the file is mapped to memory."""
    for model, X in (make.binary(), make.stream()):
        joblib.dump(model, tmp_path / "model")
        mapped = joblib.load(tmp_path / "model", mmap_mode="r")
        assert isinstance(mapped._predictor.layers[0], np.memmap)
        expected = copy.copy(model).partial_fit(X, model.predict(X)).predict_proba(X)
        mapped.partial_fit(X, model.predict(X))
        assert_array_equal(mapped.predict_proba(X), expected)


def other_process(model, X):
    return model, model.predict_proba(X)


def test_other_processes():
    model, X = make.stream()
    parallel = joblib.Parallel(n_jobs=2, backend="loky")
    for other, proba in parallel(joblib.delayed(other_process)(model, X) for _ in "ab"):
        assert_array_equal(proba, model.predict_proba(X))
        assert_same(other, model, X)


def test_shared_arrays_stay_so():
    """Within a network, and between the networks of an ensemble."""
    model, _ = make.stream()
    again = pickle.loads(pickle.dumps(model))
    for own in (model, again):
        assert own.mean_ is own._fitted.stream.columns.mean
        assert own.history_["cost"] is own._fitted.outcome.history["cost"]
    model, _ = ensemble()
    again = pickle.loads(pickle.dumps(model))
    for own in (model, again):
        assert {id(network.classes_) for network in own.estimators_} == {id(own.classes_)}


# States that cannot be read


def state_of(kind):
    """Return a state that may be changed."""
    return pickle.loads(pickle.dumps(kind()[0].__getstate__()))


def test_broken_states():
    """An error says so; nothing is taken of such a state."""

    def check(state, match):
        model = GaussNewtonMLPClassifier((7,))
        with pytest.raises(ValueError, match=match):
            model.__setstate__(state)
        assert model.hidden_layer_sizes == (7,)
        assert not hasattr(model, "n_iter_")

    for change, match in [
        (lambda state: state["_fitted"].update(_kind="Popen"), "unknown kind 'Popen'"),
        (lambda state: state["_fitted"].pop("predictor"), "of a Fitted is broken"),
        (lambda state: state["_fitted"]["predictor"].pop("network"), "a Predictor is"),
        (lambda state: state["_table"].update(more=1), "of a Reader is broken"),
        (lambda state: state.update(_fitted=state["_table"]), "wrong kind of _fitted"),
        (lambda state: state.update(_targets={}), "wrong kind of _targets"),
        (lambda state: state.update(_targets=object()), "the type 'object'"),
    ]:
        state = state_of(make.stream)
        change(state)
        check(state, match)


# Streams


def chunks(X, y, size=50):
    return [(X[i : i + size], y[i : i + size]) for i in range(0, len(y), size)]


def wide(m=150, n=784, dtype="float64"):
    """Return samples of as many features as small images have."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, m)
    return (rng.normal(size=(m, n)) + rng.normal(size=(10, n))[y]).astype(dtype), y


def growing():
    """Return samples of columns that grow on the way, so that their unit does."""
    X, y = multiclass(200)
    X[100:, 2] *= 1e150
    X[150:, 3] *= 1e120
    return X, y


STREAMS = {
    "small": (multiclass, {}),
    "deep": (multiclass, {"hidden_layer_sizes": (9, 8, 7), "activation": "silu"}),
    "penalty of the evidence": (multiclass, {"alpha": "auto"}),
    "growing": (growing, {}),
    "unstandardised": (multiclass, {"standardize": False}),
    "piecewise": (multiclass, {"encoding": "piecewise"}),
    "wide": (wide, {}),
    "wide, float32": (lambda: wide(dtype="float32"), {"alpha": "auto"}),
    "no products": (lambda: wide(n=1100), {}),
    "sparse": (lambda: (sparse.csr_array(wide(n=300)[0]), wide(n=300)[1]), {}),
}


@pytest.mark.parametrize(
    ("case", "how"),
    [*((case, "pickle") for case in STREAMS), ("small", "skops"), ("growing", "skops")],
)
def test_a_stream_goes_on_alike(case, how):
    """Bit by bit, whether it is saved and loaded after each chunk or never."""
    made, parameters = STREAMS[case]
    X, y = made()
    classes = np.unique(y)
    own = {"hidden_layer_sizes": (6,), "alpha": 1e-4, "random_state": 0, **parameters}
    one, other = GaussNewtonMLPClassifier(**own), GaussNewtonMLPClassifier(**own)
    for chunk in chunks(X, y, -(-X.shape[0] // 3)):
        one.partial_fit(*chunk, classes)
        other.partial_fit(*chunk, classes)
        other = saved_and_loaded(other, how)
    for W, V in zip(one.coefs_, other.coefs_, strict=True):
        assert_array_equal(W, V)
    assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert one.alpha_ == other.alpha_
    assert one.n_effective_parameters_ == other.n_effective_parameters_
    assert_array_equal(one.history_["objective"], other.history_["objective"])


def saved_and_loaded(model, how):
    if how == "pickle":
        return pickle.loads(pickle.dumps(model))
    skops = pytest.importorskip("skops.io")
    return skops.loads(skops.dumps(model), trusted=[NETWORK])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sizes(dtype):
    """One triangle of the moments, and four times the weights; ended, those of a fit."""
    X, y = wide(dtype=dtype)
    parameters = {"alpha": 1e-3, "random_state": 0}
    fit = GaussNewtonMLPClassifier(**parameters, batch_size=50, max_iter=2, encoding=None)
    weights = sum(W.nbytes for W in fit.fit(X, y).coefs_)
    stream = GaussNewtonMLPClassifier(**parameters)
    for chunk in chunks(X, y):
        stream.partial_fit(*chunk, range(10))
    size = len(pickle.dumps(stream))
    assert size < 1.1 * (8 * 784 * 785 / 2 + 4 * weights)
    expected = stream.predict_proba(X)
    again = pickle.loads(pickle.dumps(stream.end_stream()))
    assert len(pickle.dumps(again)) < 1.05 * len(pickle.dumps(fit)) < size / 4
    assert_array_equal(again.predict_proba(X), expected)


def test_a_stream_keeps_no_more_than_its_file():
    """What each chunk finds anew is not kept in memory either."""
    X, y = wide()
    model = GaussNewtonMLPClassifier((6,), alpha=1e-3).partial_fit(X, y, range(10))
    factors = model._fitted.stream.descent.factors
    assert factors.input_factor is None
    assert factors.blocks == factors.known_spectra == []


def test_end_of_a_stream():
    """It changes no attribute and no copy; what follows is as after a fit."""
    model, X = make.stream()
    y, proba = model.predict(X), model.predict_proba(X)
    other, before = copy.copy(model), dict(vars(model))
    assert model.end_stream() is model
    assert model._fitted.stream is None
    for name in vars(model).keys() - {"_fitted"}:
        assert vars(model)[name] is before[name]
    assert_array_equal(model.predict_proba(X), proba)
    assert other._fitted.stream is not None
    assert model.end_stream()._fitted.stream is None  # once more
    model.partial_fit(X[:3], y[:3])
    assert np.abs(model.predict_proba(X) - proba).max() < 0.1
    assert model.n_iter_ == other.n_iter_ + 1
    assert len(model.loss_curve_) == len(other.loss_curve_) + 1
    assert model._fitted.stream.statistics.count == 3


def test_end_of_no_stream():
    model, X = make.binary()
    proba = model.predict_proba(X)
    assert_array_equal(model.end_stream().predict_proba(X), proba)
    with pytest.raises(NotFittedError):
        GaussNewtonMLPClassifier().end_stream()
    assert not hasattr(GaussNewtonMLPClassifier(solver="joint"), "end_stream")
