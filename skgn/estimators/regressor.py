r"""The regressor: real targets, and how sure the network is of its predictions.

**Why the last layer alone.** The Kronecker blocks ``S_l ⊗ Γ_l + alpha I`` of the hidden
layers could add their part of the variance, at 11 µs for a row in place of 5. On eight
data sets (three splits, default parameters) that made the mean negative log-likelihood of
standardised test targets .329, in place of .283; it was lower on three of them, on four
with the best multiple of each, and intervals of 90 % were off by .041, in place of .021.
It is the better one in 30 units of tanh with ``encoding=None`` (.348 against .369, lower
on six), and beyond the range of a piecewise encoding: one to two units from the samples
of the gallery's example, deviations are .5 at errors of 1.8, and would be 2.3.
"""

from typing import Any, ClassVar

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skgn._compat import StrOptions, fit_context
from skgn.data.samples import Samples, as_csr_array
from skgn.estimators.base import BaseGaussNewtonMLP
from skgn.estimators.reading import (
    checked,
    collections,
    is_collection,
    lazy_on_collections,
)
from skgn.estimators.real_targets import LOGARITHMIC, LOSSES, RealTargets, valid
from skgn.estimators.reals import RealEstimator
from skgn.fitting.fitted import Fitted
from skgn.typing import Array

#: Samples that are looked at together for the deviations of predictions.
CHUNK = 8192

#: Largest number of features of the last layer for which there are deviations.
MOST_FEATURES = 1024


class GaussNewtonMLPRegressor(RealEstimator, BaseGaussNewtonMLP):
    r"""Multi-layer perceptron regressor trained by layer-wise Gauss-Newton.

    The parameters, unless listed here, and the attributes are those of
    :class:`GaussNewtonMLPClassifier`, with the cost in the place of the log-loss.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units of each hidden layer; ``()`` is a linear model: ridge regression,
        or the Poisson or gamma regression of scikit-learn's linear models.
    activation : str or array-like of str, default="leaky_relu"
        Activation of the hidden layers; one name, or one per hidden layer.
    loss : str, default="squared_error"
        What is made small. "squared_error": half the mean squared error.
        "absolute_error": the mean absolute error, smoothed within a twentieth of the mean
        distance from the median, so that it has a curvature. "poisson" and "gamma": half
        the mean deviance, with a logarithmic link. Several targets of each sample need
        the squared error.
    solver, alpha, damping, batch_size, max_iter, tol, cost_threshold : as there
        See :class:`GaussNewtonMLPClassifier`. With ``alpha="auto"``, the evidence
        estimates the variance of the noise along with the penalty. `cost_threshold` is in
        the unit of standardised targets.
    early_stopping, validation_fraction, n_iter_no_change : as there
        The same. The mean loss of the validation samples is watched.
    standardize : bool, default=True
        Centre and scale the features and, with the two losses that have no unit, the
        targets. A fit is then the same for y in any unit.
    encoding, n_knots, categorical_features : as there
        The same.
    order, safeguard, step_size, warm_start, random_state, verbose : as there
        The same.

    Attributes
    ----------
    coefs_, intercepts_ : tuple of ndarray
        Weights and intercepts of each layer, for raw `X` (its encoded columns) and raw y;
        with a logarithmic link for the logarithm of y.
    noise_ : float or ndarray of shape (n_outputs,)
        Standard deviation of the noise, by the residuals of the training samples and the
        number of parameters that they determine, or by held-out samples where these had
        smaller errors; with the squared error only.
    out_activation_ : {"identity", "exponential"}
        Activation of the output.
    loss_, loss_curve_, history_
        In the unit of standardised targets; divided by the mean of y with
        ``loss="poisson"``.
    validation_scores_ : list of float or None
        R² of the validation samples.
    alpha_path_ : dict of ndarray, or None
        Penalties that were tried on held-out samples, "alpha", and the mean loss of
        these, "loss".

    See Also
    --------
    GaussNewtonMLPClassifier : The classifier, whose page has all parameters.
    GaussNewtonMLPEnsembleRegressor : Several networks, whose predictions are averaged.
    sklearn.neural_network.MLPRegressor : Trained by stochastic gradients or L-BFGS.
    sklearn.linear_model.BayesianRidge : The evidence without hidden layers.

    Notes
    -----
    **Deviations of predictions.** With the hidden layers as they are, the network is
    linear in the last layer, whose posterior is Gaussian (Laplace's approximation):

        Var f(x) = (φ / m) ã(x)' (S + alpha I)^-1 ã(x),      S = Σ_i ω_i ã_i ã_i',

    with the noise variance φ, the sum m of the sample weights, and the activations ã of
    the last hidden layer beside a one, which has no penalty. ``return_std=True`` returns
    ``sqrt(φ + Var f(x))``: the deviation of a new target.

    References
    ----------
    F. D. Foresee and M. T. Hagan, "Gauss-Newton approximation to Bayesian learning", ICNN
    1997.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgn import GaussNewtonMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = GaussNewtonMLPRegressor((20,), random_state=0).fit(X[:300], y[:300])
    >>> net.score(X[300:], y[300:]) > 0.4
    True
    >>> mean, std = net.predict(X[300:], return_std=True)
    >>> std.shape
    (142,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseGaussNewtonMLP._parameter_constraints,
        "loss": [StrOptions(set(LOSSES))],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="leaky_relu",
        *,
        loss="squared_error",
        solver="kronecker",
        alpha="auto",
        damping=None,
        batch_size="auto",
        max_iter=None,
        tol=1.5e-2,
        cost_threshold=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        standardize=True,
        encoding="auto",
        n_knots="auto",
        categorical_features="from_dtype",
        order="jacobi",
        safeguard="sign",
        step_size=1.0,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.alpha = alpha
        self.damping = damping
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.cost_threshold = cost_threshold
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.standardize = standardize
        self.encoding = encoding
        self.n_knots = n_knots
        self.categorical_features = categorical_features
        self.order = order
        self.safeguard = safeguard
        self.step_size = step_size
        self.warm_start = warm_start
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
        """Fit the network.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Training samples. float32 is fitted in float32, all else in float64. NaN is a
            missing cell, but for sparse `X`, where it is an error.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets. Not negative with ``loss="poisson"``, positive with ``loss="gamma"``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative.
        X_val, y_val, sample_weight_val : default=None
            Validation samples for early stopping, in place of a part of `X`.

        Returns
        -------
        self : GaussNewtonMLPRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, or the data, cannot be fitted; the message names which. The
            estimator is then as it was before.
        TypeError
            If a column of a data frame cannot be read; the message names it.
        KeyboardInterrupt
            If the fit is interrupted. The estimator then has its best weights, as
            described for the classifier.

        Warns
        -----
        ConvergenceWarning
            As described for the classifier.
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @available_if(BaseGaussNewtonMLP._can_stream)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Take one epoch of mini-batch steps over a chunk of samples.

        See :meth:`GaussNewtonMLPClassifier.partial_fit`. The targets are centred and
        scaled as those of the first chunk.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A chunk of samples. The first one's precision is that of the stream.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative.

        Returns
        -------
        self : GaussNewtonMLPRegressor
            The estimator, fitted to one more chunk.
        """
        self._partial_fit(X, y, None, sample_weight)
        if self._posterior is None:
            self.__dict__.pop("noise_", None)  # of an earlier fit
        return self

    @lazy_on_collections
    def predict(self, X, return_std=False):
        """Predict targets.

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
            If there are no deviations: with another loss than the squared error, after
            :meth:`partial_fit`, or with more than 1,024 units in the last hidden layer.
        """
        check_is_fitted(self)
        X, _ = checked(self, self._table, X, reset=False)
        X = as_csr_array(X)
        y = self._mean_of(X)
        return (y, self._deviations_of(X)) if return_std else y

    def _mean_of(self, X: Any) -> Array:
        """Return predictions for an `X` that has been read."""
        return self._targets.decode(self._outputs_of(X))

    def _deviations_of(self, X: Any) -> Array:
        """Return their standard deviations."""
        if self.__dict__.get("_posterior") is None:
            raise ValueError(
                "return_std=True needs loss='squared_error', a call of fit, and at most "
                f"{MOST_FEATURES} units in the last hidden layer; got "
                f"loss={self.loss!r}."
            )
        variance = np.empty(X.shape[0])
        for start in range(0, X.shape[0], CHUNK):
            rows = slice(start, start + CHUNK)
            features = self._features(X[rows])
            covered = cho_solve((self._posterior, True), features.T)
            variance[rows] = np.einsum("ij,ji->i", features, covered)
        std = np.sqrt(1 + variance)
        return (std if self._targets.is_single else std[:, None]) * self.noise_

    def score(self, X, y, sample_weight=None):
        """Return the coefficient of determination of predictions.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Their weights.

        Returns
        -------
        score : float
            :math:`R^2`, the mean over the outputs. Of a dask collection, too, targets
            alone come from the workers.
        """
        if not is_collection(X):
            return super().score(X, y, sample_weight)
        # only here: its package takes as long to import as this one
        from sklearn.metrics import r2_score

        return collections().score(r2_score, self, X, y, sample_weight)

    @property
    def coefs_(self) -> tuple[Array, ...]:
        """Weights for raw X and raw y."""
        coefs = self._predictor.coefs
        if self._targets.name in LOGARITHMIC:
            return coefs
        last = (coefs[-1] * self._targets.scale).astype(coefs[-1].dtype)
        return *coefs[:-1], _read_only(last)

    @property
    def intercepts_(self) -> tuple[Array, ...]:
        """Intercepts for raw X and raw y."""
        own, targets = self._predictor.intercepts, self._targets
        if targets.name in LOGARITHMIC:
            last = own[-1] + np.log(targets.scale)
        else:
            last = own[-1] * targets.scale + targets.centre
        return *own[:-1], _read_only(last.astype(own[-1].dtype))

    # What the base class asks of targets.

    def _form_of(self, y: Any, weights: Array) -> RealTargets:
        if self.warm_start and "_targets" in self.__dict__:
            targets = self._targets  # in whose unit the weights are
            if targets.name != self.loss:
                raise ValueError(
                    "warm_start can only be used with the loss of the previous call to "
                    f"fit. Previously got {targets.name!r}, now {self.loss!r}."
                )
            return targets
        return RealTargets.learned(y, weights, self.loss, self.standardize)

    def _chunk_targets(
        self, y: Any, classes: Any, earlier: RealTargets | None
    ) -> RealTargets:
        y = valid(y)
        if earlier is not None:
            return earlier
        return RealTargets.learned(y, np.ones(len(y)), self.loss, self.standardize)

    def _attributes(self, fitted: Fitted, *what: Any) -> dict[str, Any]:
        attributes = super()._attributes(fitted, *what)
        path = attributes["alpha_path_"]
        if path is not None:
            attributes["alpha_path_"] = {"alpha": path["alpha"], "loss": path["log_loss"]}
        return attributes | {"_posterior": None}

    def _features(self, X: Any) -> Array:
        """Return what the last layer sees of samples, and a one: (m, 1 + h)."""
        predictor = self._predictor
        if len(predictor.layers) > 1:
            features = self._hidden_of(X, len(predictor.layers) - 2)
        else:
            dense = X.toarray() if hasattr(X, "toarray") else X
            features = predictor.encoded(dense.astype(np.float64))
            predictor.columns.apply(features, out=features)
        return np.column_stack([np.ones(X.shape[0]), features])

    def _after(self, targets: RealTargets, samples: Samples) -> None:
        """Take the noise and the posterior of the last layer, by the samples of a fit."""
        width = self._predictor.layers[-1].shape[0]
        self.__dict__.pop("noise_", None)  # of an earlier fit
        if targets.name != "squared_error":
            return
        m = len(samples.weights)
        share = samples.weights / samples.weights.sum()
        S, squares = np.zeros((width, width)), np.zeros(targets.n_outputs)
        for start in range(0, m, CHUNK):
            rows = np.arange(start, min(start + CHUNK, m))
            part = samples.take(rows).gathered()
            residual = self._outputs_of(part.X) - part.targets
            squares += share[rows] @ residual**2
            if width <= MOST_FEATURES:
                features = self._features(part.X)
                S += (features.T * share[rows]) @ features
        total = samples.weights.sum()
        used = min(self.n_effective_parameters_ / targets.n_outputs, 0.9 * total)
        used = 0.0 if np.isnan(used) else used
        variance = squares * total / (total - used)
        if self.alpha_path_ is not None:  # where held-out samples say that it is less
            held_out = 2 * float(np.nanmin(self.alpha_path_["loss"]))
            variance *= min(held_out / max(variance.sum(), 1e-300), 1.0)
        noise_ = np.sqrt(variance) * targets.scale
        self.noise_ = float(noise_[0]) if targets.is_single else noise_
        if width <= MOST_FEATURES:
            tiny = np.finfo(np.float64).eps * max(np.trace(S), 1.0)
            penalty = np.full(width, self.alpha_ + tiny)
            penalty[0] = tiny
            precision = total * (S + np.diag(penalty))
            self._posterior = cho_factor(precision, lower=True)[0]


def _read_only(array: Array) -> Array:
    array.setflags(write=False)
    return array
