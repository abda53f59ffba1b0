"""GaussNewtonMLPEnsembleRegressor: several networks whose predictions are averaged."""

from typing import Any, ClassVar

import numpy as np

from skgn._compat import fit_context
from skgn.estimators.ensemble import COMMON, SILU, TANH, TWO, BaseEnsemble
from skgn.estimators.reading import lazy_on_collections
from skgn.estimators.reals import RealEstimator
from skgn.estimators.regressor import GaussNewtonMLPRegressor
from skgn.typing import Array

#: The networks of the default, where features may have steps, and where they may not.
WITH_STEPS: tuple[dict[str, Any], ...] = (
    {"encoding": "piecewise"},
    {"encoding": None},
    {"encoding": "piecewise", **TWO, **SILU},
    {"encoding": None, **TWO, **SILU},
    {"encoding": "piecewise"},
    {"encoding": "piecewise", **TWO, **TANH},
    {"encoding": None, **TWO, **TANH},
)
WITHOUT_STEPS: tuple[dict[str, Any], ...] = (
    {"encoding": None},
    {"encoding": None, **TWO, **SILU},
    {"encoding": None, **TWO, **TANH},
    {"encoding": None},
)

#: No prediction is larger.
MOST = np.finfo(np.float64).max


class GaussNewtonMLPEnsembleRegressor(RealEstimator, BaseEnsemble):
    r"""Several different multi-layer perceptrons whose predictions are averaged.

    The networks are those of :class:`GaussNewtonMLPRegressor`. They differ in encoding,
    layers, activation and initial weights. Each finds its penalty, and how far to train,
    on the same held-out samples. These also give the networks their weights: those of the
    smallest loss of the averaged prediction. Networks of little weight are left out. The
    others are then fitted to all samples, each with what was found for it.

    The parameters and attributes, unless listed here, are those of
    :class:`GaussNewtonMLPEnsembleClassifier`.

    Parameters
    ----------
    estimators : None or list of dict or GaussNewtonMLPRegressor, default=None
        The networks: parameters of each that differ from the default, or estimators. None
        is seven networks of one hidden layer of 100 units, or of two of 100 and 50, of
        several activations, with and without steps of numeric features; four, where
        features cannot have steps; and those of the classifier below 150 samples. What
        has a parameter here is not for single networks, nor are `solver`, `warm_start`
        and `verbose`. Targets are centred and scaled for all of them alike, whatever
        their `standardize`, which is for features.
    loss : str, default="squared_error"
        What is made small, by each network and by their weights: "squared_error",
        "absolute_error", "poisson" or "gamma", as in :class:`GaussNewtonMLPRegressor`.
        Several targets of each sample need the squared error.
    max_time, n_jobs, random_state, verbose : as there
        See :class:`GaussNewtonMLPEnsembleClassifier`.
    early_stopping, validation_fraction, n_iter_no_change, categorical_features : as there
        The same. The mean loss of the validation samples is watched.

    Attributes
    ----------
    estimators_ : list of GaussNewtonMLPRegressor
        The fitted networks of positive weight. Each works alone.
    weights_ : ndarray of shape (n_members,)
        Of their predictions, of sum 1.
    selection_ : dict of list
        A table with a row per network that came into question, as there. Its column
        "loss" is the mean loss of the held-out samples by the network alone, in the unit
        of standardised targets; divided by the mean of y with ``loss="poisson"``.
    noise_ : float or ndarray of shape (n_outputs,)
        Standard deviation of the noise: the root of the weighted mean of the squares of
        the networks' `noise_`; with the squared error only.

    See Also
    --------
    GaussNewtonMLPRegressor : One network.
    GaussNewtonMLPEnsembleClassifier : The classifier, whose page has all parameters.
    sklearn.ensemble.VotingRegressor : Averages regressors of any kind, with weights that
        are given.

    Notes
    -----
    **Deviations of predictions.** The prediction is a mixture of those of the networks,
    with the means :math:`\mu_k` and deviations :math:`s_k` of each:

    .. math::

        \mu = \sum_k w_k \mu_k, \qquad
        \sigma^2 = \sum_k w_k \left( s_k^2 + (\mu_k - \mu)^2 \right) .

    So it is larger where the networks disagree.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from skgn import GaussNewtonMLPEnsembleRegressor
    >>> X, y = make_friedman1(600, noise=1.0, random_state=0)
    >>> ens = GaussNewtonMLPEnsembleRegressor(random_state=0).fit(X[:400], y[:400])
    >>> ens.score(X[400:], y[400:]) > 0.85
    True
    >>> mean, std = ens.predict(X[400:], return_std=True)
    >>> std.shape
    (200,)
    """

    _network_class = GaussNewtonMLPRegressor
    _common = (*COMMON, "loss")
    _with_steps, _without_steps = WITH_STEPS, WITHOUT_STEPS
    _loss_name = "loss"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseEnsemble._parameter_constraints,
        "loss": GaussNewtonMLPRegressor._parameter_constraints["loss"],
    }

    def __init__(
        self,
        estimators=None,
        *,
        loss="squared_error",
        max_time=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        categorical_features="from_dtype",
        n_jobs=None,
        random_state=None,
        verbose=False,
    ):
        self.estimators = estimators
        self.loss = loss
        self.max_time = max_time
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.categorical_features = categorical_features
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Fit the networks, and find their weights.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Training samples, as for :meth:`GaussNewtonMLPRegressor.fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets. Not negative with ``loss="poisson"``, positive with ``loss="gamma"``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative.
        X_val, y_val, sample_weight_val : default=None
            Validation samples for early stopping, in place of a part of `X`.

        Returns
        -------
        self : GaussNewtonMLPEnsembleRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, or the data, cannot be fitted; the message names which. The
            estimator is then as it was before.
        TypeError
            If a column of a data frame cannot be read; the message names it.
        KeyboardInterrupt
            If the fit is interrupted. From the first network on that has searched, or was
            fitted, the estimator then has those that there are.

        Warns
        -----
        ConvergenceWarning
            For a network of positive weight that warns when it is fitted alone.
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @lazy_on_collections
    def predict(self, X, return_std=False):
        """Predict targets: the weighted mean of what the networks predict.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Samples.
        return_std : bool, default=False
            Whether to return standard deviations, too: of new targets, whose noise is
            part of them.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64
            Predictions.
        std : ndarray of the same shape
            Their standard deviations, if ``return_std=True``.

        Raises
        ------
        ValueError
            If a network has no deviations: with another loss than the squared error, or
            with more than 1,024 units in the last hidden layer.
        """
        if not return_std:
            return self._average(self.members_predict(X))
        both = self._each(X, lambda own, X: (own._mean_of(X), own._deviations_of(X)))
        means, deviations = (np.stack(own) for own in zip(*both, strict=True))
        mean = self._average(means)
        with np.errstate(over="ignore"):
            parts = np.hypot(deviations, means - mean)
            shares = np.sqrt(self.weights_).reshape(-1, *[1] * mean.ndim)
            std = np.hypot.reduce(shares * parts, axis=0)
        return mean, np.minimum(std, MOST)

    def members_predict(self, X):
        """Predict the targets by each network.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_members, n_samples) or (n_members, n_samples, n_outputs)
            Predictions of each of `estimators_`; their mean under `weights_` is
            :meth:`predict`.
        """
        return np.stack(list(self._each(X, lambda own, X: own._mean_of(X))))

    @property
    def noise_(self) -> Any:
        """Standard deviation of the noise."""
        return np.sqrt(self._mean(own.noise_**2 for own in self.estimators_))

    def _average(self, means: Array) -> Array:
        with np.errstate(over="ignore"):  # weights have the sum 1, but for rounding
            return np.clip(self._mean(means), -MOST, MOST)
