"""scikit-learn's own tests of MLPClassifier, run on our classifier.

The user guide has the table of differences, under "Coming from MLPClassifier".
"""

import inspect
from contextlib import contextmanager
from itertools import product
from numbers import Real

import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skgn import GaussNewtonMLPClassifier

theirs = pytest.importorskip("sklearn.neural_network.tests.test_mlp")

#: Parameters that the user guide says to leave out.
NO_COUNTERPART = {
    "solver",
    "learning_rate",
    "learning_rate_init",
    "power_t",
    "shuffle",
    "momentum",
    "nesterovs_momentum",
    "beta_1",
    "beta_2",
    "epsilon",
    "max_fun",
}

#: Tests of their optimisers alone, and of private attributes of these.
LEFT_OUT = {
    "test_fit": "a step of sgd by hand, from private attributes",
    "test_gradient": "the private gradient for lbfgs",
    "test_lbfgs_classification_maxfun": "max_fun, the function calls of lbfgs",
    "test_learning_rate_warmstart": "learning rates of sgd",
    "test_adaptive_learning_rate": "learning rates of sgd",
}

#: How a test fails that our classifier runs through: not by an error of ours.
FAILED = (AssertionError, pytest.fail.Exception)

#: The one that asks for a private attribute of theirs.
PRIVATE = {"test_n_iter_no_change": AttributeError}

#: Tests that fail here, and must: what is different.
DIFFERENCES = {
    "test_partial_fit_errors": (
        "lbfgs has no partial_fit; our default solver has one, and no other is chosen"
    ),
    "test_n_iter_no_change": (
        "n_iter_no_change counts by the validation samples alone; the private count "
        "is theirs"
    ),
    "test_n_iter_no_change_inf": (
        "the training objective ends a fit by tol, whatever n_iter_no_change is"
    ),
    "test_early_stopping_stratified": (
        "a class of a single sample stays in training; there it is an error"
    ),
    "test_mlp_early_stopping_string_labels": (
        "validation_scores_ has one more entry, for the start"
    ),
    "test_mlp_classifier_dtypes_casting": (
        "a fit is certain to 1e-50, where float32 has no two digits in common with "
        "float64; absolute differences are below 1e-6"
    ),
    "test_mlp_warm_start_with_early_stopping": (
        "attributes describe the latest fit alone; there the scores of all fits add up"
    ),
    "test_mlp_warm_start_no_convergence": (
        "the second fit converges before 20 iterations, and says so by no warning"
    ),
}


class Adapted(GaussNewtonMLPClassifier):
    """Our classifier, but a number `alpha` is divided as MLPClassifier divides it."""

    #: adam and sgd divide it by the samples of a mini-batch, lbfgs by all of them.
    largest_batch = 200

    def fit(self, X, y):
        """Fit, with our `alpha`."""
        with self.our_alpha(len(y)):
            return super().fit(X, y)

    def partial_fit(self, X, y, classes=None):
        """Take a chunk of samples, with our `alpha`."""
        with self.our_alpha(len(y)):
            return super().partial_fit(X, y, classes)

    @contextmanager
    def our_alpha(self, m):
        """Divide `alpha` for a while."""
        given = self.alpha
        if isinstance(given, Real):
            self.alpha = given / min(m, self.largest_batch)
        try:
            yield
        finally:
            self.alpha = given


def adapted(**parameters):
    """Return our classifier for parameters of MLPClassifier."""
    ours = {name: v for name, v in parameters.items() if name not in NO_COUNTERPART}
    model = Adapted(**ours)
    if parameters.get("solver") == "lbfgs":
        model.largest_batch = float("inf")
    return model


def cases():
    """Yield each test of their module that is about the classifier, with arguments."""
    for name, function in vars(theirs).items():
        if name in LEFT_OUT or not name.startswith("test_"):
            continue
        if "MLPClassifier" not in inspect.getsource(function):
            continue
        for number, arguments in enumerate(parametrisations(function)):
            if any(value is MLPRegressor for value in arguments.values()):
                continue
            marks = [m for m in marks_of(function) if m.name != "parametrize"]
            if name in DIFFERENCES:
                marks.append(
                    pytest.mark.xfail(
                        raises=PRIVATE.get(name, FAILED),
                        reason=DIFFERENCES[name],
                        strict=True,
                    )
                )
            yield pytest.param(function, arguments, marks=marks, id=f"{name}-{number}")


def marks_of(function):
    """Return pytest's marks of a function."""
    return getattr(function, "pytestmark", [])


def parametrisations(function):
    """Yield the arguments of each case of a parametrised test."""
    choices = []
    for mark in marks_of(function):
        if mark.name == "parametrize":
            names, values = mark.args
            names = names.split(",")
            rows = values if len(names) > 1 else [(value,) for value in values]
            choices.append([dict(zip(names, row, strict=True)) for row in rows])
    for parts in product(*choices):
        yield {name: value for part in parts for name, value in part.items()}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("function", "arguments"), list(cases()))
def test_of_mlp_classifier(function, arguments, monkeypatch, request):
    """A test of theirs passes, or stands in the table of differences."""
    monkeypatch.setattr(theirs, "MLPClassifier", adapted)
    arguments = {n: adapted if v is MLPClassifier else v for n, v in arguments.items()}
    for name in inspect.signature(function).parameters:
        if name not in arguments:
            arguments[name] = request.getfixturevalue(name)
    function(**arguments)
