"""GaussNewtonMLPEnsembleClassifier: several networks whose probabilities are averaged."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from scipy.special import logsumexp

from skgn._compat import fit_context
from skgn.estimators.classifier import GaussNewtonMLPClassifier
from skgn.estimators.ensemble import COMMON, SILU, TANH, TWO, BaseEnsemble
from skgn.estimators.labels import LabelEstimator
from skgn.estimators.reading import lazy_on_collections
from skgn.typing import Array

#: The networks of the default, where features may have steps, and where they may not.
WITH_STEPS: tuple[dict[str, Any], ...] = (
    {"encoding": "piecewise"},
    {"encoding": None},
    {"encoding": "piecewise", **TWO, **SILU},
    {"encoding": None, **TWO, **SILU},
    {"encoding": "piecewise"},
    {"encoding": "piecewise", **TWO},
    {"encoding": "piecewise", **TANH},
)
WITHOUT_STEPS: tuple[dict[str, Any], ...] = (
    {"encoding": None},
    {"encoding": None, **TWO, **SILU},
    {"encoding": None, **TWO},
    {"encoding": None},
    {"encoding": None, **TANH},
)


class GaussNewtonMLPEnsembleClassifier(LabelEstimator, BaseEnsemble):
    r"""Several different multi-layer perceptrons whose probabilities are averaged.

    The networks are those of :class:`GaussNewtonMLPClassifier`. They differ in encoding,
    layers, activation and initial weights. Each finds its penalty, and how far to train,
    on the same held-out samples. These also give the networks their weights: those of the
    largest likelihood of the averaged probabilities. Networks of little weight are left
    out. The others are then fitted to all samples, each with what was found for it.

    Parameters
    ----------
    estimators : None or list of dict or GaussNewtonMLPClassifier, default=None
        The networks: parameters of each that differ from the default, or estimators. None
        is seven networks of one hidden layer of 100 units, or of two of 100 and 50, of
        several activations, with and without steps of numeric features (see `encoding` of
        :class:`GaussNewtonMLPClassifier`); five, where features cannot have steps; and
        four of one hidden layer, two of them with steps, below 150 samples.
        What has a parameter here is not for single networks, nor are `solver`,
        `warm_start` and `verbose`.
    max_time : float, default=None
        Seconds after which the fit comes to an end. Networks begin in the first quarter
        of the time and search in its first half. The rest is for the fits of all samples,
        in the order of weights, in mini-batches with as many epochs as there is time for.
        A network that these do not reach in time remains what its search, on at most
        50,000 samples, has made of it. However short the time, one network is trained.
    early_stopping : bool, default=False
        Stop each network when its log-loss on validation samples has reached no new
        minimum for `n_iter_no_change` accepted iterations (or epochs). The samples are
        those given to :meth:`fit`, or split off the training samples. They also serve as
        held-out samples, for penalties and weights.
    validation_fraction : float, default=0.1
        Share of the samples split off for early stopping, between 0 and 1.
    n_iter_no_change : int or numpy.inf, default=5
        Accepted iterations, or epochs, to wait for a new minimum.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Which features are categories, as in :class:`GaussNewtonMLPClassifier`.
    class_weight : dict or "balanced", default=None
        Weights of the classes, as in :class:`GaussNewtonMLPClassifier`.
    n_jobs : int, default=None
        Networks that are trained at the same time, each in a process of its own. None is
        1, or what :func:`joblib.parallel_config` says; -1 is one per CPU. The result does
        not depend on it, unless `max_time` is given.
    random_state : int, RandomState instance or None, default=None
        Draws held-out samples, and the seed of each network that has none.
    verbose : bool or int, default=False
        Print a line when a network has begun, has searched, and is fitted.

    Attributes
    ----------
    estimators_ : list of GaussNewtonMLPClassifier
        The fitted networks of positive weight. Each works alone. One that ran out of time
        has the `stop_reason_` "callback".
    weights_ : ndarray of shape (n_members,)
        Of their probabilities, of sum 1.
    selection_ : dict of list
        A table with a row per network that came into question, for
        ``pandas.DataFrame(ens.selection_)``: "parameters", "stage" ("waiting": there was
        no time; "begun": it went then; "searched"; "fitted": to all samples), "log_loss"
        (of the held-out samples, alone; NaN where there are none), "weight", "seconds".
    classes_ : ndarray of shape (n_classes,)
        Class labels in sorted order; the numbers of the labels for multilabel targets.
    class_weight_ : ndarray of shape (n_classes,)
        Factor that `class_weight` puts on the weights of each class's samples.
    n_features_in_ : int
        Number of features seen in :meth:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where `X` had names that are all strings.

    See Also
    --------
    GaussNewtonMLPClassifier : One network.
    GaussNewtonMLPEnsembleRegressor : The same of real targets.
    sklearn.ensemble.VotingClassifier : Averages classifiers of any kind, with weights
        that are given.

    Notes
    -----
    15 % of the samples (300 at least, or a third; 5,000 at most) are held out while the
    networks search. Below 150 samples none are, unless there are as many features; the
    networks then find their penalties by the evidence, and weigh the same.

    A fit holds one standardised, encoded copy of the samples at a time, as that of a
    single network does, and two of the samples that the search trains on.

    A pickle or skops file holds plain values and arrays; skops has to trust this class
    and that of the networks alone.

    References
    ----------
    R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, "Ensemble selection from
    libraries of models", ICML 2004.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from skgn import GaussNewtonMLPEnsembleClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     X, y, stratify=y, random_state=0
    ... )
    >>> ens = GaussNewtonMLPEnsembleClassifier(random_state=0).fit(X_train, y_train)
    >>> ens.score(X_test, y_test) > 0.95
    True
    >>> len(ens.estimators_) == len(ens.weights_)
    True
    """

    _network_class = GaussNewtonMLPClassifier
    _common = (*COMMON, "class_weight")
    _with_steps, _without_steps = WITH_STEPS, WITHOUT_STEPS
    _loss_name = "log_loss"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseEnsemble._parameter_constraints,
        "class_weight": GaussNewtonMLPClassifier._parameter_constraints["class_weight"],
    }

    def __init__(
        self,
        estimators=None,
        *,
        max_time=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        categorical_features="from_dtype",
        class_weight=None,
        n_jobs=None,
        random_state=None,
        verbose=False,
    ):
        self.estimators = estimators
        self.max_time = max_time
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.categorical_features = categorical_features
        self.class_weight = class_weight
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
            Training samples, as for :meth:`GaussNewtonMLPClassifier.fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels; or a binary indicator matrix for multilabel targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Validation samples for early stopping, in place of a part of `X`.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Their labels, all of which occur in `y`.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights.

        Returns
        -------
        self : GaussNewtonMLPEnsembleClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, or the data, cannot be fitted; the message names which. The
            estimator is then as it was before.
        TypeError
            If a column of a data frame has dates, durations, or categories that are not
            to be read as such; the message names it.
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
    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Labels of `classes_`; a binary indicator matrix for multilabel targets.
        """
        proba = self.predict_proba(X)
        if self._multilabel:
            return (proba > 0.5).astype(np.int64)
        return self.classes_[proba.argmax(axis=1)]

    @lazy_on_collections
    def predict_proba(self, X):
        """Predict probabilities: the weighted mean of those of the networks.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes) or (n_samples, n_outputs)
            Probability of each class, in the order of `classes_`; for multilabel
            targets, the probability of each label.
        """
        proba = self._mean(self._predicted(X, "prediction"))
        return np.minimum(proba, 1)  # weights have the sum 1, but for rounding

    @lazy_on_collections
    def predict_log_proba(self, X):
        """Predict the logarithms of probabilities; they are finite.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes) or (n_samples, n_outputs)
            Logarithm of :meth:`predict_proba`, without its underflow.
        """
        parts = np.stack(list(self._predicted(X, "log_prediction")))
        own = logsumexp(parts, axis=0, b=self.weights_[:, None, None])
        return np.minimum(own, 0)

    def members_predict_proba(self, X):
        """Predict the probabilities of each network.

        Where they disagree, the ensemble has seen too little to be sure. Where they
        agree, it need not have seen anything of the kind.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        proba : ndarray of shape (n_members, n_samples, n_classes)
            Those of each of `estimators_`; their mean under `weights_` is
            :meth:`predict_proba`. The last axis is that of the labels for multilabel
            targets.
        """
        return np.stack(list(self._predicted(X, "prediction")))

    def _predicted(self, X: Any, what: str) -> Iterator[Array]:
        """Return probabilities, or their logarithms, network by network."""

        def tell(network: Any, X: Any) -> Array:
            of_outputs = getattr(self._targets.loss, what)
            return of_outputs(self._two_sided(network._outputs_of(X)))

        return self._each(X, tell)
