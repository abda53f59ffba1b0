"""What a fit leaves behind in plain values, for files, and back.

Plain are None, booleans, numbers and strings of Python, arrays of numpy, and lists,
tuples and dicts of these. An object of a class of this package becomes a dict of its
state, with the name of its class beside it. What reads such a dict makes objects of the
classes that it is given, and of no others: it imports nothing that a file names.

The names of classes and attributes are those in the files of each release. A name that
changes has to be read as before; a new attribute needs a default.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from skgn.data.columns import ColumnStatistics, Standardisation
from skgn.data.encoding import Category, Encoder, MeanTargets
from skgn.fitting.fitted import Fitted
from skgn.fitting.stream import Stream
from skgn.model.activations import Activation
from skgn.model.network import Network
from skgn.model.prediction import Predictor
from skgn.steps.running_kronecker import RunningFactors
from skgn.training.mini_batch import Descent
from skgn.training.outcome import Outcome

#: Classes by name.
Kinds = Mapping[str, type[Any]]

#: Where a dict has the name of a class.
KIND = "_kind"

#: The name of numpy's generator.
RANDOM_STATE = "RandomState"

#: Types that are plain as they are.
PLAIN = (type(None), bool, int, float, str)

#: The classes that :class:`Fitted` is made of.
FITTED: Kinds = {
    own.__name__: own
    for own in (
        Activation,
        Category,
        ColumnStatistics,
        Descent,
        Encoder,
        Fitted,
        MeanTargets,
        Network,
        Outcome,
        Predictor,
        RunningFactors,
        Standardisation,
        Stream,
    )
}


def plain(value: Any, kinds: Kinds) -> Any:
    """Return a value in plain values, with the same arrays.

    Raises
    ------
    TypeError
        If it holds an object of a class that is not among `kinds`.
    """
    if type(value) in PLAIN or isinstance(value, np.ndarray):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if type(value) is dict:
        return {name: plain(own, kinds) for name, own in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(own, kinds) for own in value)
    if type(value) is np.random.RandomState:
        return {KIND: RANDOM_STATE, "state": value.get_state()}
    name = type(value).__name__
    if kinds.get(name) is not type(value):
        raise TypeError(f"{name} is not among what is saved: {sorted(kinds)}.")
    return {KIND: name, **plain(_state(value), kinds)}


def rebuilt(value: Any, kinds: Kinds) -> Any:
    """Return what plain values stand for.

    Raises
    ------
    ValueError
        If they name a class that is not among `kinds`, or do not fit it.
    """
    if type(value) in PLAIN or isinstance(value, np.ndarray):
        return value
    if type(value) in (list, tuple):
        return type(value)(rebuilt(own, kinds) for own in value)
    if type(value) is not dict:
        raise ValueError(f"The saved state holds the type {type(value).__name__!r}.")
    state = {name: rebuilt(own, kinds) for name, own in value.items() if name != KIND}
    return _built(value[KIND], state, kinds) if KIND in value else state


def _state(value: Any) -> dict[str, Any]:
    """Return the state of an object: its own choice, or its fields."""
    if "__getstate__" in vars(type(value)):
        return value.__getstate__()
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _built(kind: Any, state: dict[str, Any], kinds: Kinds) -> Any:
    """Return an object of a kind."""
    if not isinstance(kind, str) or kind not in (RANDOM_STATE, *kinds):
        raise ValueError(f"The saved state holds the unknown kind {kind!r}.")
    try:
        if kind == RANDOM_STATE:
            return _random_state(**state)
        if "__setstate__" not in vars(kinds[kind]):
            return kinds[kind](**state)
        own = object.__new__(kinds[kind])
        own.__setstate__(state)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"The saved state of a {kind} is broken: {error}") from error
    return own


def _random_state(state: Any) -> np.random.RandomState:
    """Return a generator in a state."""
    own = np.random.RandomState(0)
    own.set_state(state)
    return own
