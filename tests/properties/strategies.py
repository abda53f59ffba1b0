"""Strategies: samples and parameters of an estimator, as recipes that print as code."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy import sparse

from skgn import GaussNewtonMLPClassifier
from tests.properties.columns import COPY, KINDS, MILD, table

# What the caller holds X in


def repeated(X):
    """Return a COO array that stores each entry in two parts, in no order."""
    whole = sparse.coo_array(X)
    half = whole.data // 2 if whole.dtype.kind == "i" else whole.data / 2
    row, column = np.tile(whole.row, 2), np.tile(whole.col, 2)
    data = np.concatenate([half, whole.data - half]).astype(X.dtype)
    return sparse.coo_array((data[::-1], (row[::-1], column[::-1])), shape=X.shape)


def unsorted(X):
    """Return a CSR array with the entries of each row from right to left."""
    rows = sparse.csr_array(X)
    for i in range(len(X)):
        part = slice(rows.indptr[i], rows.indptr[i + 1])
        rows.indices[part], rows.data[part] = (
            rows.indices[part][::-1].copy(),
            rows.data[part][::-1].copy(),
        )
    return sparse.csr_array((rows.data, rows.indices, rows.indptr), shape=X.shape)


def wide_indices(X):
    """Return a CSR array with 64-bit indices."""
    rows = sparse.csr_array(X)
    rows.indices, rows.indptr = rows.indices.astype("int64"), rows.indptr.astype("int64")
    return rows


def read_only(X):
    """Return an array that cannot be written to."""
    X = X.copy()
    X.setflags(write=False)
    return X


def frame(X):
    """Return a frame with named columns."""
    return pd.DataFrame(X, columns=[f"column {j}" for j in range(X.shape[1])])


def frame_of_words_and_dates(X):
    """Return a frame of which two columns are no numbers."""
    places = pd.Categorical.from_codes(np.arange(len(X)) % 2, ["here", "there"])
    return frame(X).assign(place=places, day=pd.date_range("2020-01-01", periods=len(X)))


DENSE = {
    "array": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "read-only": read_only,
    "list": lambda X: X.tolist(),
    "frame": frame,
}

SPARSE = {
    f"{name}_{kind}": getattr(sparse, f"{name}_{kind}")
    for name in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
    for kind in ("array", "matrix")
} | {"repeated": repeated, "unsorted": unsorted, "wide indices": wide_indices}

CONTAINERS = DENSE | SPARSE | {"frame of words and dates": frame_of_words_and_dates}

#: Without names of columns, which would have to be the same each time.
NAMELESS = [name for name in CONTAINERS if "frame" not in name]

# Labels and weights

#: The classes of each kind of labels; of "rare" ones, the others have one sample each.
CLASSES = {
    "0/1": [0, 1],
    "words": ["no", "perhaps", "yes"],
    "numbers": [-7, 3, 10, 11],
    "truth": [False, True],
    "floats": [0.0, 2.0],
    "rare": [0, 1, 2],
    "multilabel": [0, 1, 2],
    "one": [7],
}

#: Weights of samples, of a generator and a number of samples.
WEIGHTS = {
    "none": lambda rng, m: None,
    "ones": lambda rng, m: np.ones(m),
    "integers": lambda rng, m: rng.integers(1, 4, m),
    "uniform": lambda rng, m: rng.uniform(0.1, 2, m),
    "zeros": lambda rng, m: np.where(rng.uniform(size=m) < 0.4, 0, rng.uniform(1, 2, m)),
    "spread": lambda rng, m: 10 ** rng.uniform(-300, 0, m),
    "wider spread": lambda rng, m: 10 ** rng.uniform(-320, 300, m),
    "large": lambda rng, m: np.full(m, 1e307),
    "largest": lambda rng, m: np.full(m, 1.7e308),
    "smallest": lambda rng, m: np.full(m, 5e-324),
    "smallest beside one": lambda rng, m: np.where(np.arange(m) % 2, 5e-324, 1.0),
}
MILD_WEIGHTS = ["none", "ones", "integers", "uniform"]

#: Weights of the classes, of their labels.
CLASS_WEIGHTS = {
    "none": lambda classes: None,
    "balanced": lambda classes: "balanced",
    "doubled": lambda classes: {classes[-1]: 2},
    "without one": lambda classes: {classes[0]: 0},
    "extreme": lambda classes: {classes[0]: 1, classes[-1]: 1e308},
    "smallest": lambda classes: {classes[0]: 5e-324},
}


@dataclass(frozen=True)
class Samples:
    """A recipe of what a caller gives to fit.

    `separable` labels are intervals of the first column; others have nothing to do with
    X.
    """

    kinds: tuple[str, ...]
    m: int
    seed: int = 0
    dtype: str = "float64"
    container: str = "array"
    labels: str = "0/1"
    separable: bool = False
    weighting: str = "none"
    class_weighting: str = "none"

    @property
    def dense(self):
        """X as an array."""
        X = table(self.kinds, self.m, self.seed, self.dtype)
        if self.container in SPARSE:  # in which no cell can be missing
            X = np.where(np.isnan(X), 0, X).astype(X.dtype)
        return X

    @property
    def X(self):
        """X as the caller holds it."""
        return CONTAINERS[self.container](self.dense)

    @property
    def precision(self):
        """What it is to be fitted in; None if only the estimator can say."""
        if self.container == "frame of words and dates":
            return None
        single = self.dtype == "float32" and self.container != "list"
        return np.float32 if single else np.float64

    @property
    def y(self):
        """One label per sample, or an indicator matrix."""
        rng, m, classes = self._generator(), self.m, CLASSES[self.labels]
        if self.labels == "multilabel":
            return (rng.uniform(size=(m, len(classes))) < 0.4).astype(int)
        order = np.argsort(self.dense[:, 0]) if self.separable else rng.permutation(m)
        numbers = np.empty(m, dtype=int)
        numbers[order] = np.arange(m) * len(classes) // m
        if self.labels == "rare":
            numbers[order] = np.maximum(len(classes) - 1 - np.arange(m), 0)
        return np.array(classes)[numbers]

    @property
    def weights(self):
        """Weights of the samples, or None."""
        return WEIGHTS[self.weighting](self._generator(), self.m)

    @property
    def class_weight(self):
        """Weights of the classes, by the labels that there are."""
        return CLASS_WEIGHTS[self.class_weighting](np.unique(self.y).tolist())

    @property
    def given(self):
        """The arguments of fit."""
        return self.X, self.y, self.weights

    def classifier(self, parameters):
        """Return an estimator for them."""
        return GaussNewtonMLPClassifier(**parameters, class_weight=self.class_weight)

    def _generator(self):
        return np.random.default_rng([self.seed, 1000])


def arguments(method, given):
    """Return the arguments of fit or partial_fit."""
    if method == "fit":
        return given.given
    classes = None if given.labels == "multilabel" else CLASSES[given.labels]
    return given.X, given.y, classes, given.weights


def kinds(names=tuple(KINDS), most=12):
    """Draw the columns, half the time mild ones alone."""

    def some(names):
        return st.lists(st.sampled_from([*names, COPY]), min_size=1, max_size=most)

    return (some(MILD) | some(names)).map(tuple)


#: Numbers that generators start from.
seeds = st.integers(0, 2**16)


def samples(fixed=(), **given):
    """Draw samples; `fixed` are entries that all have, `given` other strategies."""
    fields = {
        "kinds": kinds() | kinds() | kinds(most=40),
        "m": st.integers(2, 60),
        "seed": seeds,
        "dtype": st.sampled_from(["float64", "float32", "int64", "bool"]),
        "container": st.sampled_from([*DENSE, *CONTAINERS]),
        "labels": st.sampled_from([*CLASSES][:-1]) | st.sampled_from([*CLASSES]),
        "separable": st.booleans(),
        "weighting": st.sampled_from(MILD_WEIGHTS) | st.sampled_from([*WEIGHTS]),
        "class_weighting": st.just("none") | st.sampled_from([*CLASS_WEIGHTS]),
    }
    fields |= given | {name: st.just(value) for name, value in dict(fixed).items()}
    return st.builds(Samples, **fields)


def alike(first, fixed=(), **given):
    """Draw samples of the form of others: as many columns, and the same labels."""
    n = len(first.kinds)
    columns = st.lists(st.sampled_from([*KINDS]), min_size=n, max_size=n).map(tuple)
    container = st.just(first.container)
    if first.container in NAMELESS:
        container = st.just("array") | st.sampled_from(NAMELESS)
    same = {"kinds": columns, "labels": st.just(first.labels), "container": container}
    return samples(fixed, **{**same, **given})


# Parameters

ACTIVATIONS = ["tanh", "logistic", "silu", "identity", "relu", "leaky_relu"]


@st.composite
def parameters(draw, solvers=("kronecker", "sequential", "joint"), **given):
    """Draw the parameters of an estimator, those that its solver uses."""

    def one_of(*values):
        return st.just(values[0]) | st.sampled_from(values)

    sizes = draw(st.lists(st.integers(1, 6), max_size=3))
    strategies = {
        "hidden_layer_sizes": st.just(tuple(sizes)),
        "activation": st.sampled_from(ACTIVATIONS)
        | st.tuples(*[st.sampled_from(ACTIVATIONS)] * len(sizes)),
        "solver": st.sampled_from(solvers),
        "alpha": one_of(1e-4, "auto", 0, 1e-300, 1, 1e39, 1e308),
        "damping": one_of(None, 1e-300, 1, 1e300, 1.7e308),
        "batch_size": one_of("auto", None, 1, 4, 7),
        "max_iter": st.integers(1, 10),
        "tol": one_of(0.015, 0, 1e-8, 1),
        "cost_threshold": one_of(None, 0, 0.1, 1e9),
        "early_stopping": one_of(False, True),
        "validation_fraction": one_of(0.1, 0.5, 0.99, 1e-9),
        "n_iter_no_change": one_of(5, 1, np.inf),
        "standardize": st.booleans(),
        "encoding": one_of("auto", "piecewise", None),
        "n_knots": one_of("auto", 3, 5, 40),
        "order": one_of("jacobi", "gauss_seidel"),
        "safeguard": one_of("sign", "line_search", None),
        "step_size": one_of(1.0, 0.5, 1e-3),
        "warm_start": one_of(False, True),
        "random_state": seeds,
    }
    drawn = {name: draw(strategy) for name, strategy in (strategies | given).items()}
    thread = drawn["solver"] != "kronecker"
    unused = {"batch_size"} if thread else {"order", "safeguard", "step_size"}
    if drawn["solver"] == "joint":
        unused.add("order")
    if drawn["solver"] == "sequential" and drawn["safeguard"] != "sign":
        unused.add("damping")
    return {name: value for name, value in drawn.items() if name not in unused}


#: Parameters of a well conditioned fit in full batches. The smooth activations have no
#: kink at which a rounding of Z turns the derivative; unguarded steps may diverge, and
#: multiply each rounding on their way; "sign" makes a whole step of a rounding.
well_conditioned = parameters(
    activation=st.sampled_from(["tanh", "logistic", "silu", "identity"]),
    alpha=st.sampled_from([1e-3, 1e-2, 1]),
    damping=st.none(),
    batch_size=st.none(),
    cost_threshold=st.none(),
    early_stopping=st.just(False),
    safeguard=st.just("line_search"),
)
