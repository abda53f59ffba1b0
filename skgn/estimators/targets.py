"""Labels of classification, from what the user has to what a loss takes."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skgn.data.samples import Samples, moderate
from skgn.fitting.mixture import Probabilities
from skgn.model.losses import Bernoulli, Loss, Multinomial
from skgn.typing import Array

ClassWeight = dict[Any, float] | str | None

#: Folds of samples that mean targets are found by.
FOLDS = 5

#: Most classes of which there are mean targets.
MOST_CLASSES = 30


@dataclass(frozen=True)
class ClassTargets:
    """One label out of several for each sample.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted.
    class_weight : ndarray of shape (n_classes,)
        Factor of the weights of each class.
    """

    classes: NDArray[Any]
    class_weight: Array
    mixture = Probabilities()

    @property
    def loss(self) -> Loss:
        """See :class:`skgn.fitting.targets.Targets`."""
        return Bernoulli() if len(self.classes) == 2 else Multinomial()

    @property
    def n_outputs(self) -> int:
        """See :class:`skgn.fitting.targets.Targets`."""
        return len(self.classes) if len(self.classes) > 2 else 1

    @property
    def nothing_to_fit(self) -> bool:
        """See :class:`skgn.fitting.targets.Targets`."""
        return len(self.classes) == 1

    @property
    def attributes(self) -> dict[str, Any]:
        """Fitted attributes."""
        return {"classes_": self.classes, "class_weight_": self.class_weight}

    @property
    def names_of_means(self) -> NDArray[Any]:
        """What mean targets are means of."""
        return self.classes if len(self.classes) > 2 else self.classes[1:]

    def encode(
        self, y: Any, weights: Array, name: str = "y", known_from: str = "classes"
    ) -> tuple[NDArray[Any], Array]:
        """Return labels in the form that the loss takes, and the final weights."""
        y = column_or_1d(y, warn=True)
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(
                f"{name} contains labels that {known_from} lacks: {unknown.tolist()}."
            )
        return self.encoded(np.searchsorted(self.classes, y), weights)

    def encoded(
        self, numbers: NDArray[Any], weights: Array
    ) -> tuple[NDArray[Any], Array]:
        """Return numbers of classes in the form that the loss takes, and weights."""
        weights = moderate(weights * self.class_weight[numbers])
        if self.loss.out_activation == "softmax":
            return numbers, weights
        return numbers[:, None].astype(np.int8), weights

    def mean(self, samples: Samples) -> Array:
        """See :class:`skgn.fitting.targets.Targets`."""
        share = samples.weights / samples.weights.sum()
        if self.loss.out_activation == "softmax":
            counts = np.bincount(samples.targets, share, self.n_outputs)
            return counts.astype(np.float64)
        return share @ samples.targets

    @property
    def has_means(self) -> bool:
        """See :class:`skgn.fitting.targets.Targets`; not of too many classes."""
        return self.n_outputs <= MOST_CLASSES

    def means_of(
        self,
        index: NDArray[np.intp],
        count: int,
        samples: Samples,
        random_state: np.random.RandomState,
    ) -> tuple[Array, Array]:
        """See :class:`skgn.fitting.targets.Targets`; weights have no say in them."""
        labels = samples.targets.ravel()
        numbers = np.arange(1, 2) if self.n_outputs == 1 else np.arange(self.n_outputs)
        folds = min(FOLDS, int(np.bincount(labels).max()))
        is_class = (labels[:, None] == numbers).astype(np.float64)
        if folds < 2:  # each sample of a class of its own
            return np.zeros(is_class.shape), np.zeros((count, len(numbers)))
        # only here: its package takes as long to import as this one
        from sklearn.model_selection import StratifiedKFold

        seed = random_state.randint(np.iinfo(np.int32).max)
        parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            # of classes that have fewer samples than there are folds
            warnings.filterwarnings("ignore", "The least populated class")
            return cross_fitted(index, is_class, count, parts.split(index, labels))

    def split(
        self, samples: Samples, n_held_out: int, random_state: np.random.RandomState
    ) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """See :class:`skgn.fitting.targets.Targets`; in equal shares of the classes."""
        labels = samples.targets.ravel()
        everything = np.arange(len(labels))
        _, group, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        # a class of a single sample is needed in training
        kept = everything[sizes[group] == 1]
        candidates = np.setdiff1d(everything, kept)
        n_groups = len(np.unique(labels[candidates]))
        # a stratified split needs a sample of every class on both sides
        n_held_out = max(n_held_out, n_groups)
        if n_groups == 0 or n_held_out + n_groups > len(candidates):
            return None
        train, held_out = _split(candidates, n_held_out, labels[candidates], random_state)
        # of a class of few samples, the split may have taken all: swap one of them for a
        # sample of the largest class
        for label in np.setdiff1d(labels[held_out], labels[train]):
            largest = np.bincount(labels[train]).argmax()
            i = np.flatnonzero(labels[held_out] == label)[0]
            j = np.flatnonzero(labels[train] == largest)[0]
            held_out[i], train[j] = train[j], held_out[i]
        return np.sort(np.concatenate([train, kept])), held_out


@dataclass(frozen=True)
class LabelTargets:
    """Any number out of several labels for each sample.

    Attributes
    ----------
    n_outputs : int
        Number of labels.
    """

    n_outputs: int
    nothing_to_fit = False
    loss = Bernoulli()
    mixture = Probabilities()

    @property
    def classes(self) -> NDArray[Any]:
        """Numbers of the labels."""
        return np.arange(self.n_outputs)

    @property
    def class_weight(self) -> Array:
        """Factors of one."""
        return np.ones(self.n_outputs)

    @property
    def attributes(self) -> dict[str, Any]:
        """Fitted attributes."""
        return {"classes_": self.classes, "class_weight_": self.class_weight}

    @property
    def names_of_means(self) -> NDArray[Any]:
        """There are none."""
        return np.empty(0)

    def encode(
        self, y: Any, weights: Array, name: str = "y", known_from: str = ""
    ) -> tuple[NDArray[Any], Array]:
        """Return an indicator matrix in the form that the loss takes, and weights."""
        y = y.toarray() if sparse.issparse(y) else np.asarray(y)
        return y.astype(np.int8), weights

    def mean(self, samples: Samples) -> Array:
        """See :class:`skgn.fitting.targets.Targets`."""
        return samples.weights / samples.weights.sum() @ samples.targets

    @property
    def has_means(self) -> bool:
        """See :class:`skgn.fitting.targets.Targets`."""
        return False

    def means_of(
        self,
        index: NDArray[np.intp],
        count: int,
        samples: Samples,
        random_state: np.random.RandomState,
    ) -> tuple[Array, Array]:
        """See :class:`skgn.fitting.targets.Targets`; there are none."""
        return np.zeros((len(index), 0)), np.zeros((count, 0))

    def split(
        self, samples: Samples, n_held_out: int, random_state: np.random.RandomState
    ) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """See :class:`skgn.fitting.targets.Targets`."""
        return split_at_random(len(samples.weights), n_held_out, random_state)


AnyTargets = ClassTargets | LabelTargets


def learned(
    y: Any, weights: Array, class_weight: ClassWeight
) -> tuple[AnyTargets, Any, Array]:
    """Learn the form of `y`.

    Returns
    -------
    targets : ClassTargets or LabelTargets
    values : ndarray
        `y` encoded.
    weights : ndarray of shape (m,)
        The final ones.
    """
    if is_multilabel(y):
        if class_weight is not None:
            raise ValueError(
                "class_weight is not supported for multilabel targets; "
                f"got class_weight={class_weight!r}."
            )
        labels = LabelTargets(y.shape[1])
        return labels, *labels.encode(y, weights)
    classes, numbers = np.unique(column_or_1d(y, warn=True), return_inverse=True)
    totals = np.bincount(numbers, weights)
    targets = ClassTargets(classes, _factors(class_weight, classes, totals, weights))
    return targets, *targets.encoded(numbers, weights)


def announced(classes: Any, class_weight: ClassWeight) -> ClassTargets:
    """Return the form of the labels of a stream, which are told beforehand."""
    classes = np.unique(column_or_1d(classes))
    if len(classes) == 1:
        raise ValueError("classes must hold two labels or more; got one.")
    # the factors of a dict as they are: a chunk does not know the frequencies
    return ClassTargets(classes, _given_factors(class_weight, classes))


def is_multilabel(y: Any) -> bool:
    """Return whether `y`, which must be labels, is an indicator matrix."""
    check_classification_targets(y)
    return bool(type_of_target(y) == "multilabel-indicator")


def _factors(
    class_weight: ClassWeight, classes: NDArray[Any], totals: Array, weights: Array
) -> Array:
    """Return the factor of each class, scaled to leave the sum of weights."""
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str):  # "balanced"
        per_class = totals.max() / totals
    else:
        per_class = _given_factors(class_weight, classes)
    per_class = per_class / per_class.max()
    return per_class * (weights.sum() / (per_class @ totals))


def _given_factors(class_weight: ClassWeight, classes: NDArray[Any]) -> Array:
    """Return the factor that each class is given."""
    factors = compute_class_weight(class_weight, classes=classes, y=classes)
    if not np.isfinite(factors).all() or np.any(factors < 0) or not factors.any():
        raise ValueError(
            "class_weight must hold weights that are finite, not negative and not all "
            f"zero; got {class_weight!r}."
        )
    return moderate(factors)


def cross_fitted(
    index: NDArray[np.intp],
    columns: Array,
    count: int,
    parts: Iterable[tuple[NDArray[Any], NDArray[Any]]],
) -> tuple[Array, Array]:
    """Return mean targets: of each sample's category by the other parts, and by all.

    Parameters
    ----------
    index : ndarray of shape (m,)
        Categories of the samples, of which there may be `count`.
    columns : ndarray of shape (m, q)
        What they are means of.
    parts : iterable of (ndarray, ndarray)
        Other samples, and those of each part.
    """
    own = np.empty(columns.shape)
    for others, part in parts:
        table = _mean_targets(index[others], columns[others], count)
        own[part] = table[index[part]]
    return own, _mean_targets(index, columns, count)


def split_at_random(
    m: int, n_held_out: int, random_state: np.random.RandomState
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return where `n_held_out` of m samples are, behind all others; None if too few."""
    if n_held_out >= m:
        return None
    train, held_out = _split(np.arange(m), n_held_out, None, random_state)
    return np.sort(train), held_out


def _mean_targets(index: NDArray[np.intp], columns: Array, count: int) -> Array:
    """Return the shrunk mean of each column by category, shape (count, q)."""
    from sklearn.preprocessing import TargetEncoder  # only here: few fits need it

    categories = np.arange(count)[:, None]
    return np.column_stack(
        [
            TargetEncoder(target_type="continuous")
            .fit(index[:, None], column)
            .transform(categories)
            for column in columns.T
        ]
    )


def _split(
    candidates: NDArray[Any],
    n_held_out: int,
    labels: NDArray[Any] | None,
    random_state: np.random.RandomState,
) -> list[NDArray[Any]]:
    # only here: its package takes as long to import as this one
    from sklearn.model_selection import train_test_split

    return train_test_split(
        candidates, test_size=n_held_out, stratify=labels, random_state=random_state
    )
