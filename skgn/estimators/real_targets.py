r"""Targets of regression, from what the user has to what a loss takes.

With the unit-free losses, y is centred and scaled for the fit,

    y' = (y - centre) / scale,

by the weighted mean and standard deviation (squared error), or the weighted median and
the mean distance from it (absolute error). Then damping, trust region and thresholds have
no unit: a fit is the same for metres and millimetres. With a logarithmic link, y is
divided by its weighted mean, which is an intercept.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d

from skgn.data.columns import LARGEST
from skgn.data.samples import Samples
from skgn.estimators.targets import FOLDS, cross_fitted, split_at_random
from skgn.fitting.mixture import Means
from skgn.model.losses import Loss, Squared
from skgn.model.real_losses import Absolute, Gamma, Poisson
from skgn.typing import Array

#: Losses by the names that users give them.
LOSSES: dict[str, type[Any]] = {
    "squared_error": Squared,
    "absolute_error": Absolute,
    "poisson": Poisson,
    "gamma": Gamma,
}

#: Losses with a logarithmic link.
LOGARITHMIC = ("poisson", "gamma")


@dataclass(frozen=True)
class RealTargets:
    """Real targets, one or several of each sample.

    Attributes
    ----------
    name : str
        The loss, by its name.
    centre, scale : ndarray of shape (K,)
        What y is centred and scaled by.
    is_single : bool
        Whether y has one dimension.
    """

    name: str
    centre: Array
    scale: Array
    is_single: bool
    nothing_to_fit = False

    @classmethod
    def learned(
        cls, y: Any, weights: Array, name: str, standardize: bool
    ) -> "RealTargets":
        """Learn centre and scale of valid `y`, of positive weights where they count.

        Raises
        ------
        ValueError
            If the loss cannot take `y`.
        """
        columns = y.reshape(len(y), -1)
        check_range(columns[weights > 0], name)
        K, total = columns.shape[1], weights.sum()
        centre, scale = np.zeros(K), np.ones(K)
        if total == 0 or (not standardize and name not in LOGARITHMIC):
            return cls(name, centre, scale, y.ndim == 1)
        share = weights / total
        unit = np.abs(columns).max(axis=0)  # so that no square overflows
        unit[unit == 0] = 1
        columns = columns / unit
        if name in LOGARITHMIC:
            return cls(name, centre, unit * (share @ columns), y.ndim == 1)
        if name == "absolute_error":
            centre = np.array([_median(column, share) for column in columns.T])
            scale = share @ np.abs(columns - centre)
        else:
            centre = share @ columns
            scale = np.sqrt(share @ (columns - centre) ** 2)
        rounding = 4 * np.finfo(np.float64).eps * np.abs(columns).max(axis=0)
        scale[scale <= rounding] = 1  # constant
        return cls(name, unit * centre, unit * scale, y.ndim == 1)

    @property
    def loss(self) -> Loss:
        """See :class:`skgn.fitting.targets.Targets`."""
        return LOSSES[self.name]()

    @property
    def mixture(self) -> Means:
        """See :class:`skgn.fitting.targets.Targets`."""
        return Means(LOSSES[self.name]())

    @property
    def n_outputs(self) -> int:
        """See :class:`skgn.fitting.targets.Targets`."""
        return len(self.centre)

    @property
    def classes(self) -> NDArray[Any]:
        """There are none."""
        return np.empty(0)

    @property
    def attributes(self) -> dict[str, Any]:
        """Fitted attributes."""
        return {}

    @property
    def names_of_means(self) -> list[str]:
        """What mean targets are means of."""
        return ["target"]

    def encode(
        self, y: Any, weights: Array, name: str = "y", known_from: str = "y"
    ) -> tuple[Array, Array]:
        """Return valid y in the form that the loss takes, (m, K), and the weights.

        Raises
        ------
        ValueError
            If the loss cannot take `y`, or it has other columns.
        """
        columns = y.reshape(len(y), -1)
        if columns.shape[1] != self.n_outputs or (y.ndim == 1) != self.is_single:
            raise ValueError(
                f"{name} must have the shape of {known_from}: got "
                f"{1 if y.ndim == 1 else columns.shape[1]} targets of each sample, and "
                f"{self.n_outputs} before."
            )
        check_range(columns[weights > 0], self.name, name)
        return (columns - self.centre) / self.scale, weights

    def decode(self, Z: Array) -> Array:
        """Return predictions for outputs Z, (m, K): (m,) for a single target."""
        with np.errstate(over="ignore"):
            P = self.loss.prediction(Z) * self.scale + self.centre
        most = np.finfo(np.float64).max
        P = np.clip(P, -most, most)
        return P[:, 0] if self.is_single else P

    def mean(self, samples: Samples) -> Array:
        """See :class:`skgn.fitting.targets.Targets`; the median of absolute errors."""
        share = samples.weights / samples.weights.sum()
        columns = samples.targets.astype(np.float64)
        if self.name == "absolute_error":
            return np.array([_median(column, share) for column in columns.T])
        return share @ columns

    @property
    def has_means(self) -> bool:
        """See :class:`skgn.fitting.targets.Targets`; of a single target."""
        return self.n_outputs == 1

    def means_of(
        self,
        index: NDArray[np.intp],
        count: int,
        samples: Samples,
        random_state: np.random.RandomState,
    ) -> tuple[Array, Array]:
        """See :class:`skgn.fitting.targets.Targets`; weights have no say in them."""
        y = samples.targets.astype(np.float64)
        folds = min(FOLDS, len(y))
        if folds < 2:
            return np.zeros(y.shape), np.zeros((count, 1))
        # only here: its package takes as long to import as this one
        from sklearn.model_selection import KFold

        seed = random_state.randint(np.iinfo(np.int32).max)
        parts = KFold(folds, shuffle=True, random_state=seed)
        return cross_fitted(index, y, count, parts.split(y))

    def split(
        self, samples: Samples, n_held_out: int, random_state: np.random.RandomState
    ) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """See :class:`skgn.fitting.targets.Targets`; at random."""
        return split_at_random(len(samples.weights), n_held_out, random_state)


def valid(y: Any, name: str = "y") -> Array:
    """Return y as float64, of shape (m,) or (m, K) with several targets.

    Raises
    ------
    ValueError
        If it is not of numbers, not finite, or too large.
    """
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name=name)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    largest, limit = np.abs(y).max(initial=0), LARGEST["float64"]
    if largest > limit:
        raise ValueError(
            f"{name} has values of size {largest:.1e}; {limit:g} is the largest that a "
            "fit can take. Rescale it."
        )
    return y


def check_range(y: Array, loss: str, name: str = "y") -> None:
    """Refuse targets that a loss has no meaning for.

    Raises
    ------
    ValueError
    """
    if y.ndim == 2 and y.shape[1] > 1 and loss != "squared_error":
        raise ValueError(
            f"loss={loss!r} takes one target of each sample; got {y.shape[1]} in {name}. "
            "Use loss='squared_error', or MultiOutputRegressor."
        )
    if loss == "poisson" and (y.min(initial=0) < 0 or (len(y) and not y.any())):
        raise ValueError(f"loss='poisson' requires non-negative {name} and sum > 0.")
    if loss == "gamma" and y.min(initial=1) <= 0:
        raise ValueError(f"loss='gamma' requires strictly positive {name}.")


def _median(values: Array, share: Array) -> float:
    """Return the least value with half of the weight at or below it."""
    order = np.argsort(values)
    below = np.cumsum(share[order])
    return float(values[order[np.searchsorted(below, 0.5 * below[-1])]])
