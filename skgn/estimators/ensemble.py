"""What ensembles share: networks that are given, their fit, and what is kept of it."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skgn._compat import Interval
from skgn._threads import one_thread
from skgn.data.samples import Samples, as_csr_array
from skgn.estimators.base import BaseGaussNewtonMLP
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

#: The networks of the default where no samples can be held out, which would tell that a
#: network is a bad one.
WITH_FEW_SAMPLES: tuple[dict[str, Any], ...] = (
    {"encoding": None},
    {"encoding": "piecewise"},
    {"encoding": None},
    {"encoding": "piecewise"},
)

#: Parameters of a network that all of an ensemble have in common; each kind has one more.
COMMON = (
    "early_stopping",
    "validation_fraction",
    "n_iter_no_change",
    "categorical_features",
)

#: Parameters of a network that those of an ensemble cannot have.
FIXED = {"solver": "kronecker", "warm_start": False, "verbose": False}

LARGEST_SEED = np.iinfo(np.int32).max


class BaseEnsemble(TableEstimator):
    """Parameters and fit of the ensembles."""

    max_time: float | None
    n_jobs: int | None
    random_state: Any
    verbose: bool
    estimators: Any

    #: The class of the networks, and those of its parameters that all have in common.
    _network_class: ClassVar[type[BaseGaussNewtonMLP]]
    _common: ClassVar[tuple[str, ...]]

    #: The networks of the default, where features may have steps, and where they may not.
    _with_steps: ClassVar[tuple[dict[str, Any], ...]]
    _without_steps: ClassVar[tuple[dict[str, Any], ...]]

    #: What `selection_` calls the loss of the held-out samples.
    _loss_name: ClassVar[str]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimators": ["array-like", None],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        **{name: BaseGaussNewtonMLP._parameter_constraints[name] for name in COMMON},
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any, Any]
    ) -> None:
        """Fit, or leave the estimator as it was."""
        random_state = check_random_state(self.random_state)
        given = self._given()
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
            attributes = self._keep(members, networks, targets, reader, table, samples)
        if original is not None:
            raise original
        if tasks is not None:
            tasks.done(attributes)
        self._advise(train)

    def _each(self, X: Any, tell: Callable[[Any, Any], Any]) -> Iterator[Any]:
        """Return what each network tells of samples, one after the other."""
        check_is_fitted(self)
        X, _ = checked(self, self._table, X, reset=False)
        X = as_csr_array(X)
        return (tell(network, X) for network in self.estimators_)

    def _mean(self, parts: Iterable[Array]) -> Array:
        """Return the weighted mean of what each network predicts."""
        weighted = zip(self.weights_, parts, strict=True)
        return sum(weight * own for weight, own in weighted)

    # The networks, before the fit and after it.

    def _given(self) -> list[dict[str, Any]] | None:
        """Return the parameters of the networks that were given."""
        if self.estimators is None:
            return None
        if not len(self.estimators):
            raise ValueError("estimators must hold a network at least; got none.")
        return [self._parameters(own, i) for i, own in enumerate(self.estimators)]

    def _parameters(self, given: Any, i: int) -> dict[str, Any]:
        """Return the parameters of the network that was given at place `i`."""
        network_class = self._network_class
        if isinstance(given, network_class):
            network = given
        elif isinstance(given, dict):
            try:
                network = network_class().set_params(**given)
            except (TypeError, ValueError) as error:
                raise ValueError(f"estimators[{i}]: {error}") from error
        else:
            raise ValueError(
                f"estimators must hold parameters of {network_class.__name__}, or such "
                f"estimators; got {given!r} at estimators[{i}]."
            )
        parameters, default = network.get_params(), network_class().get_params()
        for name in self._common:
            if not _is(parameters[name], default[name]):
                raise ValueError(
                    f"estimators[{i}] sets {name}={parameters[name]!r}, which all "
                    f"networks have in common. Give it to {type(self).__name__}."
                )
        for name, value in FIXED.items():
            if not _is(parameters[name], value):
                raise ValueError(
                    f"estimators[{i}] sets {name}={parameters[name]!r}; the networks of "
                    f"an ensemble have {name}={value!r}."
                )
        try:
            network._validate_params()
            network._settings()
        except ValueError as error:
            raise ValueError(f"estimators[{i}]: {error}") from error
        return parameters

    def _default(self, encoders: Encoders) -> tuple[dict[str, Any], ...]:
        """Return the networks of the default."""
        if len(encoders.of(Settings((), ()), in_any_case=True)) == 1:
            return self._without_steps
        enough = are_enough(*encoders.samples.X.shape)
        return self._with_steps if enough else WITH_FEW_SAMPLES

    def _networks(
        self,
        given: list[dict[str, Any]] | None,
        encoders: Encoders,
        random_state: np.random.RandomState,
    ) -> list[Any]:
        """Return the networks that come into question, each with its seed."""
        if given is None:
            given = list(self._default(encoders))
        networks = []
        for parameters in given:
            seed = parameters.get("random_state")
            if not isinstance(seed, Integral):
                seed = check_random_state(seed or random_state).randint(LARGEST_SEED)
            networks.append(self._network(parameters, int(seed)))
        return networks

    def _network(self, parameters: dict[str, Any], seed: int) -> Any:
        common = {name: getattr(self, name) for name in self._common}
        own = {**parameters, **common, "random_state": seed}
        return self._network_class(**own)

    def _keep(
        self,
        members: list[Member],
        networks: list[Any],
        targets: AnyTargets,
        reader: Any,
        table: Reader,
        samples: Samples,
    ) -> dict[str, Any]:
        """Take the attributes of a fit, which are returned; networks take theirs."""
        estimators = []
        for member in members:
            if member.weight > 0:
                network = networks[member.number]
                own = network._attributes(member.fitted, targets, reader, table)
                network._take(own)
                network._after(targets, samples)
                estimators.append(network)
        columns = {"stage": "stage", self._loss_name: "loss"}
        columns |= {name: name for name in ("weight", "seconds")}
        attributes = {
            **read_attributes(targets, reader, table),
            "estimators_": estimators,
            "weights_": np.array([own.weight for own in members if own.weight > 0]),
            "selection_": {
                "parameters": [self._changed(networks[own.number]) for own in members],
                **{
                    name: [getattr(own, attribute) for own in members]
                    for name, attribute in columns.items()
                },
            },
        }
        self._take(attributes)
        return attributes

    def _changed(self, network: Any) -> dict[str, Any]:
        """Return the parameters of a network that are not those of the default."""
        default = self._network_class().get_params()
        return {
            name: value
            for name, value in network.get_params().items()
            if name not in self._common and not _is(value, default[name])
        }

    def _advise(self, samples: Samples) -> None:
        """Warn of networks that have ended badly."""
        for network in self.estimators_:
            settings = network._settings()
            advice = network._advice(
                network._ending, settings, samples.dtype, samples.shape[0]
            )
            if advice is not None:
                message = f"{network}: {advice}"
                warnings.warn(message, ConvergenceWarning, stacklevel=5)


def _is(value: Any, other: Any) -> bool:
    return type(value) is type(other) and value == other


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
        f"held-out loss {member.loss:12.5e}  {member.seconds:8.2f} s"
    )
