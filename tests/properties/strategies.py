"""Strategies: samples and parameters of an estimator, as recipes that print as code."""

import warnings
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy import sparse

from skgn import GaussNewtonMLPClassifier
from tests.properties.columns import COMPLETE, COPY, KINDS, MILD, table

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


def without_advice(kind):
    """Return a constructor that does not call its own format inefficient."""

    def hold(X):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sparse.SparseEfficiencyWarning)
            return kind(X)

    return hold


def read_only(X):
    """Return an array that cannot be written to."""
    X = X.copy()
    X.setflags(write=False)
    return X


def frame(X):
    """Return a frame with named columns."""
    return pd.DataFrame(X, columns=[f"column {j}" for j in range(X.shape[1])])


def array_of_objects(X):
    """Return an array of objects, None where a cell is missing."""
    cells = X.astype(object)
    cells[np.isnan(X)] = None
    return cells


def objects(x):
    """Return a column of objects, None where a cell is missing."""
    return pd.Series(array_of_objects(x), dtype=object)


def codes(x, count, missing=0):
    """Return a code for each cell, by its value alone; -1 where it is missing.

    So are cells of the first few codes.
    """
    own = np.array([crc32(cell.tobytes()) % (count + missing) for cell in x]) - missing
    return np.where(np.isnan(x), -1, np.maximum(own, -1))


def words(x, dtype=object):
    """Return a column of words, None where a cell is missing."""
    known = np.array(["", "nan", "1", "a word", "ü", None], dtype=object)
    return pd.Series(known[codes(x, 5)], dtype=dtype)


def words_and_numbers(x):
    """Return a column of objects: words, numbers, truths and missing cells."""
    known = np.array(["a", 1, 2.5, True, "1", pd.NA], dtype=object)
    return pd.Series(known[codes(x, 5)], dtype=object)


def few_categories(x):
    """Return a column of up to five categories, some of its cells missing."""
    return pd.Series(pd.Categorical.from_codes(codes(x, 5, missing=1), [*"edcba"]))


def many_categories(x):
    """Return a column of up to 97 categories."""
    known = [f"city {i}" for i in range(97)]
    return pd.Series(pd.Categorical.from_codes(codes(x, 97), known))


def one_category(x):
    """Return a column of one category, missing cells beside it."""
    return pd.Series(pd.Categorical.from_codes(np.minimum(codes(x, 5), 0), ["it"]))


def no_category(x):
    """Return a column of categories all of whose cells are missing."""
    return pd.Series(pd.Categorical.from_codes(np.full(len(x), -1), ["a", "b"]))


def numbered_categories(x):
    """Return a column of integers that are categories."""
    return pd.Series(pd.Categorical.from_codes(codes(x, 4), [3, 0, -7, 10**12]))


def mixed_categories(x):
    """Return a column of categories of several types."""
    return pd.Series(pd.Categorical.from_codes(codes(x, 4), ["a", 1, 2.5, "1"]))


def nullable(dtype):
    """Return how a column is held in a type that has cells for missing numbers."""

    def hold(x):
        if dtype == "boolean":
            return pd.Series(np.where(np.isnan(x), None, x > 0), dtype=dtype)
        if dtype == "Int64" and x.dtype.kind == "f":
            x = np.round(np.clip(x, -(2.0**53), 2.0**53)).astype(float)
        largest = float(np.finfo(np.float32).max)
        x = np.clip(x, -largest, largest) if dtype == "Float32" else x
        return pd.Series(np.where(np.isnan(x), None, x), dtype=object).astype(dtype)

    return hold


def frame_of(*holders):
    """Return how a frame is made with columns of these kinds in turn."""

    def hold(X):
        n = X.shape[1]
        columns = (holders[(n - 1 + j) % len(holders)](X[:, j]) for j in range(n))
        return pd.DataFrame({f"column {j}": column for j, column in enumerate(columns)})

    return hold


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
    "array of objects": array_of_objects,
}

#: Frames that are fitted, of types that do not depend on the cells.
TYPED = {
    "frame of few categories": frame_of(
        few_categories,
        pd.Series,
        lambda x: words(x, "string"),
        numbered_categories,
        one_category,
        no_category,
    ),
    "frame of many categories": frame_of(many_categories, pd.Series, mixed_categories),
    "frame of NA": frame_of(*map(nullable, ["Int64", "Float64", "boolean", "Float32"])),
}

#: Those with a column of categories.
CATEGORICAL = [name for name in TYPED if "categories" in name]

#: Frames of objects, which are categories if a word is among them.
TABLES = TYPED | {
    "frame of words": frame_of(words, pd.Series, words_and_numbers, objects)
}

SPARSE = {
    f"{name}_{kind}": without_advice(getattr(sparse, f"{name}_{kind}"))
    for name in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
    for kind in ("array", "matrix")
} | {"repeated": repeated, "unsorted": unsorted, "wide indices": wide_indices}

CONTAINERS = (
    DENSE | SPARSE | TABLES | {"frame of words and dates": frame_of_words_and_dates}
)

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
        return table(self.kinds, self.m, self.seed, self.dtype)

    @property
    def X(self):
        """X as the caller holds it."""
        return CONTAINERS[self.container](self.dense)

    @property
    def is_sparse(self):
        """Whether X is sparse."""
        return self.container in SPARSE

    @property
    def lacks_cells(self):
        """Whether a cell of X is missing."""
        return bool(np.isnan(self.dense).any())

    @property
    def precision(self):
        """What it is to be fitted in; None if only the estimator can say."""
        if "frame of" in self.container:
            return None
        objects = self.container in ("list", "array of objects")
        single = self.dtype == "float32" and not objects
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


#: Numbers of samples. From 400 on, an encoding is searched for.
sizes = st.integers(0, 19).flatmap(
    lambda i: st.integers(400, 450) if i == 19 else st.integers(2, 60)
)


@st.composite
def samples(draw, fixed=(), **given):
    """Draw samples; `fixed` are entries that all have, `given` other strategies.

    Nearly all sparse ones are complete: others are refused.
    """
    fixed = {name: st.just(value) for name, value in dict(fixed).items()}
    containers = st.sampled_from([*DENSE, *TABLES]) | st.sampled_from([*CONTAINERS])
    fields = {
        "m": sizes,
        "seed": seeds,
        "dtype": st.sampled_from(["float64", "float32", "float64", "int64", "bool"]),
        "container": containers,
        "labels": st.sampled_from([*CLASSES][:-1]) | st.sampled_from([*CLASSES]),
        "separable": st.booleans(),
        "weighting": st.sampled_from(MILD_WEIGHTS) | st.sampled_from([*WEIGHTS]),
        "class_weighting": st.just("none") | st.sampled_from([*CLASS_WEIGHTS]),
    }
    fields |= given | fixed
    drawn = {name: draw(strategy) for name, strategy in fields.items()}
    if "kinds" not in drawn:
        names = columns_for(draw, drawn["container"])
        wide = 40 if drawn["m"] <= 60 else 12
        drawn["kinds"] = draw(kinds(names) | kinds(names) | kinds(names, wide))
    return Samples(**drawn)


def columns_for(draw, container):
    """Return the names of the kinds of columns that a container is to hold."""
    complete = container in SPARSE and draw(st.integers(0, 9)) < 9
    return [*COMPLETE] if complete else [*KINDS]


@st.composite
def alike(draw, first, fixed=(), **given):
    """Draw samples of the form of others: as many columns, and the same labels."""
    n, fixed = len(first.kinds), dict(fixed)
    container = st.just(first.container)
    if first.container in NAMELESS:
        container = st.just("array") | st.sampled_from(NAMELESS)
    fixed["container"] = draw({"container": container, **given}["container"])
    names = [*COMPLETE] if fixed["container"] in SPARSE else [*KINDS]
    columns = st.lists(st.sampled_from(names), min_size=n, max_size=n).map(tuple)
    fixed["labels"] = first.labels
    return draw(samples(fixed, **{"kinds": columns, **given}))


# Parameters

ACTIVATIONS = ["tanh", "logistic", "silu", "identity", "relu", "leaky_relu"]
SOLVERS = "kronecker", "levenberg-marquardt", "sequential", "joint"


@st.composite
def parameters(draw, solvers=SOLVERS, **given):
    """Draw the parameters of an estimator, those that its solver uses."""

    def one_of(*values):
        return st.just(values[0]) | st.sampled_from(values)

    sizes = draw(st.lists(st.integers(1, 6), max_size=3))
    strategies = {
        "hidden_layer_sizes": st.just(tuple(sizes)),
        "activation": st.sampled_from(ACTIVATIONS)
        | st.tuples(*[st.sampled_from(ACTIVATIONS)] * len(sizes)),
        "solver": st.sampled_from(solvers),
        "alpha": st.just("auto") | one_of(1e-4, 0, 1e-300, 1, 1e39, 1e308),
        "damping": one_of(None, 1e-300, 1, 1e300, 1.7e308),
        "batch_size": one_of("auto", None, 1, 4, 7),
        "max_iter": st.integers(1, 10),
        "tol": one_of(0.015, 0, 1e-8, 1),
        "cost_threshold": one_of(None, 0, 0.1, 1e9),
        "early_stopping": one_of(False, True),
        "validation_fraction": one_of(0.1, 0.5, 0.99, 1e-9),
        "n_iter_no_change": one_of(5, 1, np.inf),
        "standardize": st.booleans(),
        "encoding": st.sampled_from(["auto", "piecewise", None]),
        "n_knots": one_of("auto", 3, 5, 40),
        "categorical_features": one_of("from_dtype", "from_dtype", None, [0]),
        "order": one_of("jacobi", "gauss_seidel"),
        "safeguard": one_of("sign", "line_search", None),
        "step_size": one_of(1.0, 0.5, 1e-3),
        "warm_start": one_of(False, True),
        "random_state": seeds,
    }
    drawn = {name: draw(strategy) for name, strategy in (strategies | given).items()}
    unused = set()
    if drawn["solver"] != "kronecker":
        unused.add("batch_size")
    if drawn["solver"] in ("kronecker", "levenberg-marquardt"):
        unused |= {"order", "safeguard", "step_size"}
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
