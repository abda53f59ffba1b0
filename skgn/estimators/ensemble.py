"""GaussNewtonMLPEnsembleClassifier: several networks, weighted by held-out samples."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skgn._compat import Interval, fit_context
from skgn._threads import one_thread
from skgn.data.samples import Samples, as_csr_array
from skgn.estimators.classifier import GaussNewtonMLPClassifier
from skgn.estimators.labels import LabelEstimator
from skgn.estimators.reading import (
    TableEstimator,
    checked,
    named_columns,
    read_attributes,
)
from skgn.estimators.tables import Reader
from skgn.estimators.targets import AnyTargets
from skgn.estimators.tasks import NETWORKS, SEARCH, Tasks
from skgn.fitting.ensemble import (
    Candidate,
    Each,
    Encoders,
    EnsembleInterrupted,
    Member,
    fit_ensemble,
    one_by_one,
)
from skgn.fitting.fit import early_stopping_split
from skgn.fitting.relaxation import are_enough
from skgn.fitting.settings import Settings
from skgn.typing import Array

#: Two hidden layers; units that bend smoothly.
TWO = {"hidden_layer_sizes": (100, 50)}
SILU, TANH = {"activation": "silu"}, {"activation": "tanh"}

#: The networks of the default, where features may have steps, and where they may not;
#: where no samples can be held out, which would tell that a network is a bad one.
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
WITH_FEW_SAMPLES: tuple[dict[str, Any], ...] = (
    {"encoding": None},
    {"encoding": "piecewise"},
    {"encoding": None},
    {"encoding": "piecewise"},
)

#: Parameters of a network that all of an ensemble have in common.
COMMON = (
    "early_stopping",
    "validation_fraction",
    "n_iter_no_change",
    "categorical_features",
    "class_weight",
)

#: Parameters of a network that those of an ensemble cannot have.
FIXED = {"solver": "kronecker", "warm_start": False, "verbose": False}

LARGEST_SEED = np.iinfo(np.int32).max


class GaussNewtonMLPEnsembleClassifier(LabelEstimator, TableEstimator):
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimators": ["array-like", None],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        **{
            name: GaussNewtonMLPClassifier._parameter_constraints[name] for name in COMMON
        },
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
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
        random_state = check_random_state(self.random_state)
        given = self._given()
        validation = X_val, y_val, sample_weight_val
        tasks = Tasks.of(self, X, y, sample_weight, parts=2)
        reader, original = clone(self), None
        table = Reader.of(X, self.categorical_features)
        with one_thread(), named_columns(reader):
            samples, targets, held_out, _ = self._read(
                reader, table, X, y, sample_weight, validation
            )
            train, seed = samples, random_state.randint(LARGEST_SEED)
            if self.early_stopping and held_out is None and not targets.nothing_to_fit:
                settings = self._network({}, 0)._settings()
                train, held_out = early_stopping_split(
                    settings, samples, targets, np.random.RandomState(seed)
                )
            encoders = Encoders(train, targets, seed)
            networks = self._networks(given, encoders, random_state)
            try:
                members = fit_ensemble(
                    [Candidate(own._settings(), own.random_state) for own in networks],
                    train,
                    targets,
                    encoders,
                    held_out,
                    self.max_time,
                    _observer(tasks, self.verbose),
                    _side_by_side(self.n_jobs),
                )
            except EnsembleInterrupted as interrupt:
                members, original = interrupt.members, interrupt.original
        attributes = self._keep(members, networks, targets, reader, table)
        if original is not None:
            raise original
        if tasks is not None:
            tasks.done(attributes)
        self._advise(train)
        return self

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
        parts = self._predicted(X, "prediction")
        weighted = zip(self.weights_, parts, strict=True)
        proba = sum(weight * own for weight, own in weighted)
        return np.minimum(proba, 1)  # weights have the sum 1, but for rounding

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
        check_is_fitted(self)
        X, _ = checked(self, self._table, X, reset=False)
        X = as_csr_array(X)
        of_outputs = getattr(self._targets.loss, what)
        outputs = (network._outputs_of(X) for network in self.estimators_)
        return (of_outputs(self._two_sided(Z)) for Z in outputs)

    # The networks, before the fit and after it.

    def _given(self) -> list[dict[str, Any]] | None:
        """Return the parameters of the networks that were given."""
        if self.estimators is None:
            return None
        if not len(self.estimators):
            raise ValueError("estimators must hold a network at least; got none.")
        return [_parameters(own, i) for i, own in enumerate(self.estimators)]

    def _networks(
        self,
        given: list[dict[str, Any]] | None,
        encoders: Encoders,
        random_state: np.random.RandomState,
    ) -> list[GaussNewtonMLPClassifier]:
        """Return the networks that come into question, each with its seed."""
        if given is None:
            given = list(_default(encoders))
        networks = []
        for parameters in given:
            seed = parameters.get("random_state")
            if not isinstance(seed, Integral):
                seed = check_random_state(seed or random_state).randint(LARGEST_SEED)
            networks.append(self._network(parameters, int(seed)))
        return networks

    def _network(self, parameters: dict[str, Any], seed: int) -> Any:
        common = {name: getattr(self, name) for name in COMMON}
        own = {**parameters, **common, "random_state": seed}
        return GaussNewtonMLPClassifier(**own)

    def _keep(
        self,
        members: list[Member],
        networks: list[Any],
        targets: AnyTargets,
        reader: Any,
        table: Reader,
    ) -> dict[str, Any]:
        """Take the attributes of a fit, which are returned; networks take theirs."""
        estimators = []
        for member in members:
            if member.weight > 0:
                network = networks[member.number]
                own = network._attributes(member.fitted, targets, reader, table)
                network._take(own)
                estimators.append(network)
        columns = ("stage", "log_loss", "weight", "seconds")
        attributes = {
            **read_attributes(targets, reader, table),
            "estimators_": estimators,
            "weights_": np.array([own.weight for own in members if own.weight > 0]),
            "selection_": {
                "parameters": [_changed(networks[own.number]) for own in members],
                **{name: [getattr(own, name) for own in members] for name in columns},
            },
        }
        self._take(attributes)
        return attributes

    def _advise(self, samples: Samples) -> None:
        """Warn of networks that have ended badly."""
        for network in self.estimators_:
            settings = network._settings()
            advice = network._advice(
                network._ending, settings, samples.dtype, samples.shape[0]
            )
            if advice is not None:
                message = f"{network}: {advice}"
                warnings.warn(message, ConvergenceWarning, stacklevel=4)


def _default(encoders: Encoders) -> tuple[dict[str, Any], ...]:
    """Return the networks of the default."""
    if len(encoders.of(Settings((), ()), in_any_case=True)) == 1:
        return WITHOUT_STEPS
    enough = are_enough(*encoders.samples.X.shape)
    return WITH_STEPS if enough else WITH_FEW_SAMPLES


def _parameters(given: Any, i: int) -> dict[str, Any]:
    """Return the parameters of the network that was given at place `i`."""
    if isinstance(given, GaussNewtonMLPClassifier):
        network = given
    elif isinstance(given, dict):
        try:
            network = GaussNewtonMLPClassifier().set_params(**given)
        except (TypeError, ValueError) as error:
            raise ValueError(f"estimators[{i}]: {error}") from error
    else:
        raise ValueError(
            "estimators must hold parameters of GaussNewtonMLPClassifier, or such "
            f"estimators; got {given!r} at estimators[{i}]."
        )
    parameters, default = network.get_params(), GaussNewtonMLPClassifier().get_params()
    for name in COMMON:
        if not _is(parameters[name], default[name]):
            raise ValueError(
                f"estimators[{i}] sets {name}={parameters[name]!r}, which all networks "
                f"have in common. Give it to {GaussNewtonMLPEnsembleClassifier.__name__}."
            )
    for name, value in FIXED.items():
        if not _is(parameters[name], value):
            raise ValueError(
                f"estimators[{i}] sets {name}={parameters[name]!r}; the networks of an "
                f"ensemble have {name}={value!r}."
            )
    try:
        network._validate_params()
        network._settings()
    except ValueError as error:
        raise ValueError(f"estimators[{i}]: {error}") from error
    return parameters


def _is(value: Any, other: Any) -> bool:
    return type(value) is type(other) and value == other


def _changed(network: Any) -> dict[str, Any]:
    """Return the parameters of a network that are not those of the default."""
    default = GaussNewtonMLPClassifier().get_params()
    return {
        name: value
        for name, value in network.get_params().items()
        if name not in COMMON and not _is(value, default[name])
    }


def _side_by_side(n_jobs: int | None) -> Each:
    """Return how members are worked on: so many at a time."""
    if effective_n_jobs(n_jobs) == 1:
        return one_by_one

    def each(
        function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]
    ) -> Iterator[Any]:
        tasks = [delayed(_alone)(function, own) for own in arguments]
        # arrays are sent as they are: a file in their place would be read otherwise
        return iter(Parallel(n_jobs, max_nbytes=None)(tasks))

    return each


def _alone(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a function in a process of its own."""
    with one_thread():
        return function(*arguments)


def _observer(tasks: Tasks | None, verbose: bool) -> Any:
    """Return what is told of each network that has come a stage further."""
    if tasks is None:
        return _print if verbose else None

    def tell(member: Member, count: int) -> bool:
        if verbose:
            _print(member, count)
        part = NETWORKS if member.stage == "fitted" else SEARCH
        tasks.begin(part, count)
        return member.stage != "begun" and tasks.task(part, "network")

    return tell


def _print(member: Member, count: int) -> None:
    """Print a line when a network has come a stage further."""
    print(
        f"network {member.number + 1} of {count}  {member.stage:8}  "
        f"held-out log-loss {member.log_loss:12.5e}  {member.seconds:8.2f} s"
    )
