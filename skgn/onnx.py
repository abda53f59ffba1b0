r"""Fitted estimators as graphs of ONNX, by skl2onnx; needs ``pip install "skgn[onnx]"``.

:func:`register` tells skl2onnx how. The graph of a network is

    F = x, or the mean of the column where x is missing
    S = clip((F - t) / (t' - t), low, high)          steps between two knots
    E = [F, S, is x missing, C_1[r_1], C_2[r_2], ...]
    A = clip((E - mean) / scale, -limit, limit)
    A = g_l(A W_l + b_l)                             hidden layer by hidden layer
    Z = A W_L + b_L,  P = sigmoid(Z) or softmax(Z)

with tables ``C_k`` of what each category becomes, and ``r_k`` the number of a row's
category. For two classes, Z is ``[-z, z]``. An ensemble is ``P = min(Σ w_k P_k, 1)``.
Real targets have ``P = scale Z + centre``, or ``P = scale exp(Z)`` with a logarithmic
link, within the range of the precision.

**Precision.** The graph computes in float32. Only if the fit was one of float64, and an
input is DoubleTensorType, it computes in float64. So that float32 keeps its digits,
columns are centred before they are multiplied, ``mean`` and ``t`` are float32, and what
this leaves of the mean goes into ``b_1``. What it leaves of a knot is subtracted
separately: ``F - t`` is exact where x is near the knot.

**Inputs** are one matrix, or several in the order of the features, one for each column
for instance. Strings are a StringTensorType. A string that is none of the categories is
an unknown one, but for those in MISSING.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skgn.data.columns import UNSEEN_LIMIT
from skgn.data.encoding import Category, Encoder, MeanTargets
from skgn.estimators.classifier import GaussNewtonMLPClassifier
from skgn.estimators.ensemble_classifier import GaussNewtonMLPEnsembleClassifier
from skgn.estimators.ensemble_regressor import GaussNewtonMLPEnsembleRegressor
from skgn.estimators.real_targets import RealTargets
from skgn.estimators.regressor import GaussNewtonMLPRegressor
from skgn.model.activations import LEAK
from skgn.model.prediction import LARGEST_OUTPUT, Predictor
from skgn.typing import Array

__all__ = ["register"]

#: Strings that are missing cells, in a column that has no such category. ONNX has no
#: missing strings. The last three are what onnxruntime makes of None, NaN and NA.
MISSING = ("", "None", "nan", "<NA>")

#: The lowest opset that has the operators of the graph.
LOWEST_OPSET = 13

#: What can be asked of a conversion, as of scikit-learn's own classifiers.
OPTIONS: dict[str, list[Any]] = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [False, True],
}


def register() -> None:
    """Register the estimators with skl2onnx.

    Then ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` convert them, also as a
    step of a `Pipeline` or within a `GridSearchCV`. A second call changes nothing.

    The outputs of a classifier are those of scikit-learn's classifiers there, "label" and
    "probabilities". The options are theirs, too: `zipmap`, `output_class_labels` and
    `nocl`. A single network has `raw_scores`: its outputs before the sigmoid or softmax,
    in place of probabilities. A regressor has the output "variable", its predictions in
    the unit of y, of shape (n_samples, n_outputs), and no options.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Notes
    -----
    A conversion raises a ValueError where inputs do not fit the features, labels are
    neither integers nor strings, or a number is too large or too small for float32. It
    raises a NotImplementedError where a column has categories of both numbers and
    strings, or where the opset is below 13.
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            'skgn.onnx needs skl2onnx. Install it with: pip install "skgn[onnx]"'
        ) from error
    classifier, regressor = (_set_shapes, _convert), (_set_shape, _convert_regressor)
    for model, functions, options in (
        (GaussNewtonMLPClassifier, classifier, {**OPTIONS, "raw_scores": [False, True]}),
        (GaussNewtonMLPEnsembleClassifier, classifier, OPTIONS),
        (GaussNewtonMLPRegressor, regressor, {}),
        (GaussNewtonMLPEnsembleRegressor, regressor, {}),
    ):
        name = f"Skgn{model.__name__}"
        update_registered_converter(model, name, *functions, options=options)


def _set_shapes(operator: Any) -> None:
    """Set the types and shapes of label and probabilities."""
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
        StringTensorType,
    )

    model = operator.raw_operator
    check_is_fitted(model)
    labels = _labels(operator.scope_inst, model)
    n_samples = operator.inputs[0].get_first_dimension()
    label_type = StringTensorType if isinstance(labels, list) else Int64TensorType
    shape = [n_samples, len(labels)]
    operator.outputs[0].set_type(label_type(shape if model._multilabel else shape[:1]))
    # dictionaries of ONNX have values of float32
    in_maps = operator.scope_inst.get_options(model, {"zipmap": True})["zipmap"] is True
    double = _has_doubles(operator) and not in_maps
    operator.outputs[1].set_type((DoubleTensorType if double else FloatTensorType)(shape))


def _set_shape(operator: Any) -> None:
    """Set the type and shape of the predictions of a regressor."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    model = operator.raw_operator
    check_is_fitted(model)
    shape = [operator.inputs[0].get_first_dimension(), _members(model)[0].n_outputs_]
    kind = DoubleTensorType if _has_doubles(operator) else FloatTensorType
    operator.outputs[0].set_type(kind(shape))


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the graph of a classifier."""
    model = operator.raw_operator
    graph, networks, outputs = _networks(scope, operator, container)
    scores = [_scores(graph, *own) for own in zip(networks, outputs, strict=True)]
    label, proba = operator.outputs
    if hasattr(model, "estimators_"):
        parts = [_probabilities(graph, model, own) for own in scores]
        values = _mean(graph, model, parts, 1.0)
        _write_label(graph, model, values, 0.5, label.full_name)
    else:
        values = scores[0]
        _write_label(graph, model, values, 0.0, label.full_name)
        if not scope.get_options(model, {"raw_scores": False})["raw_scores"]:
            values = _probabilities(graph, model, values)
    _write(graph, values, proba)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Add the graph of a regressor."""
    model = operator.raw_operator
    graph, networks, outputs = _networks(scope, operator, container)
    parts = [
        _predictions(graph, network._targets, own)
        for network, own in zip(networks, outputs, strict=True)
    ]
    _write(graph, _mean(graph, model, parts, graph.largest), operator.outputs[0])


def _networks(
    scope: Any, operator: Any, container: Any
) -> tuple["Graph", list[Any], list[str]]:
    """Begin a graph; return the networks of an estimator and their outputs Z."""
    if container.target_opset_onnx < LOWEST_OPSET:
        raise NotImplementedError(
            f"skgn.onnx needs target_opset={LOWEST_OPSET} or more; got "
            f"{container.target_opset_onnx}."
        )
    networks = _members(operator.raw_operator)
    double = networks[0]._predictor.dtype == np.float64 and _has_doubles(operator)
    graph = Graph(scope, container, np.float64 if double else np.float32)
    table = _read(graph, operator.inputs, networks[0])
    return graph, networks, [_outputs(graph, table, own._predictor) for own in networks]


def _members(model: Any) -> list[Any]:
    """Return the networks of an ensemble, or the network itself."""
    return list(getattr(model, "estimators_", [model]))


class Graph:
    """The graph of skl2onnx, to which nodes and constants are added by their values.

    Parameters
    ----------
    scope, container : Scope, ModelComponentContainer
        Of skl2onnx.
    dtype : type
        The precision of the constants: float32 or float64.
    """

    def __init__(self, scope: Any, container: Any, dtype: Any):
        from onnx import TensorProto

        self.scope, self.container, self.dtype = scope, container, np.dtype(dtype)
        self.types = {
            np.dtype(np.float32): TensorProto.FLOAT,
            np.dtype(np.float64): TensorProto.DOUBLE,
            np.dtype(np.int64): TensorProto.INT64,
        }
        self.string = TensorProto.STRING
        self.largest = float(np.finfo(self.dtype).max)

    def add(
        self, operation: str, *inputs: str, output: str | None = None, **attributes: Any
    ) -> str:
        """Add a node and return the name of its output."""
        if output is None:
            output = self.scope.get_unique_variable_name(operation.lower())
        name = self.scope.get_unique_operator_name(operation)
        self.container.add_node(operation, list(inputs), output, name=name, **attributes)
        return output

    def cast(self, value: str, dtype: Any, output: str | None = None) -> str:
        """Turn a value into one of another type."""
        return self.add("Cast", value, output=output, to=self.types[np.dtype(dtype)])

    @np.errstate(over="ignore")
    def rounded(self, values: Any) -> NDArray[Any]:
        """Return numbers in the precision of the graph."""
        return np.asarray(values).astype(self.dtype)

    def numbers(self, values: Any) -> str:
        """Add a constant in the precision of the graph."""
        return self._constant(self.types[self.dtype], self.fitting(values))

    def fitting(self, values: Any) -> NDArray[Any]:
        """Return numbers in the precision of the graph; raise if one does not fit."""
        own = self.rounded(values)
        if not np.isfinite(own).all():
            raise ValueError(
                f"The network has a number that does not fit into {self.dtype}: features "
                "or targets of very large or small values. Use an input of "
                "DoubleTensorType if it was fitted in float64, or rescale X or y."
            )
        return own

    def integers(self, values: Any) -> str:
        """Add a constant of int64."""
        dtype = np.dtype(np.int64)
        return self._constant(self.types[dtype], np.asarray(values).astype(dtype))

    def strings(self, values: Sequence[str]) -> str:
        """Add a constant of strings."""
        encoded = np.array([value.encode() for value in values], dtype=object)
        return self._constant(self.string, encoded)

    def _constant(self, kind: Any, values: NDArray[Any]) -> str:
        name = self.scope.get_unique_variable_name("constant")
        self.container.add_initializer(
            name, kind, list(values.shape), values.ravel().tolist()
        )
        return name

    def take(self, value: str, columns: Any) -> str:
        """Take some columns of a matrix."""
        return self.add("Gather", value, self.integers(columns), axis=1)

    # onnxruntime omits Add, Sub, Mul and Div of a single number that is 0 or 1 in float32

    def plus(self, value: str, row: Any) -> str:
        """Add a row of constants to a matrix."""
        return self.add("Sum", value, self.numbers(row))

    def times(self, value: str, row: Any) -> str:
        """Multiply the columns of a matrix by constants."""
        if len(row) == 1:
            return self.add("MatMul", value, self.numbers(row.reshape(1, 1)))
        return self.add("Mul", value, self.numbers(row))

    def clip(self, value: str, limit: float) -> str:
        """Clip a value to ``[-limit, limit]``."""
        return self.add("Clip", value, self.numbers(-limit), self.numbers(limit))

    def beside(self, parts: Sequence[str]) -> str:
        """Put matrices side by side."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)


# What the inputs hold.


@dataclass(frozen=True)
class Table:
    """Numbers and categories of the inputs.

    Attributes
    ----------
    numbers : str or None
        The columns of numbers as a matrix of the graph; None if there are none.
    rows : dict of int to str
        For each column of categories which row of its tables a sample takes.
    """

    numbers: str | None
    rows: Mapping[int, str]


def _read(graph: Graph, inputs: Sequence[Any], network: Any) -> Table:
    """Take numbers and categories from the inputs."""
    numbers, rows, start = [], {}, 0
    known = network.categories_
    for variable, width in zip(inputs, _widths(inputs, network), strict=True):
        columns = range(start, start + width)
        plain = [j - start for j in columns if known[j] is None]
        if plain:
            numbers.append(_numbers(graph, variable, start, plain, width))
        for j in columns:
            if known[j] is not None:
                own = variable.full_name
                own = own if width == 1 else graph.take(own, [j - start])
                rows[j] = _rows(graph, own, variable.type, known[j], j)
        start += width
    return Table(graph.beside(numbers) if numbers else None, rows)


def _widths(inputs: Sequence[Any], network: Any) -> list[int]:
    """Return how many columns each input has."""
    n, widths = network.n_features_in_, [variable.type.shape[-1] for variable in inputs]
    if len(widths) == 1 and not isinstance(widths[0], int):
        widths = [n]
    if not all(isinstance(width, int) for width in widths) or sum(widths) != n:
        raise ValueError(
            f"The inputs must have {n} columns together, those of fit in its order; got "
            f"inputs of {widths} columns."
        )
    names = [variable.raw_name for variable in inputs]
    features = list(getattr(network, "feature_names_in_", names))
    if names != features and sorted(names) == sorted(features):
        raise ValueError(
            f"The inputs must be in the order of the features in fit, {features}; got "
            f"{names}."
        )
    return widths


def _numbers(
    graph: Graph, variable: Any, start: int, columns: list[int], width: int
) -> str:
    """Take columns of numbers from an input."""
    if _holds_strings(variable.type):
        raise ValueError(
            f"Input {variable.raw_name!r} has strings, but feature "
            f"{start + columns[0]} was a column of numbers in fit."
        )
    own = variable.full_name
    if len(columns) < width:
        own = graph.take(own, columns)
    return graph.cast(own, graph.dtype)


def _rows(graph: Graph, cells: str, kind: Any, known: NDArray[Any], column: int) -> str:
    """Return the rows of the tables for a column of cells, shape (m,)."""
    categories = known.tolist()
    if _are_strings(categories, kind, column):
        missing = dict.fromkeys(MISSING, len(categories) + 1)
        rows = _looked_up(graph, cells, "strings", categories, missing)
    elif _holds_integers(kind):
        whole = [int(x) if float(x).is_integer() else None for x in categories]
        rows = _looked_up(graph, graph.cast(cells, np.int64), "int64s", whole, {})
    else:
        rows = _rows_of_floats(graph, graph.cast(cells, np.float32), categories, column)
    return graph.add("Reshape", rows, graph.integers([-1]))


def _are_strings(categories: list[Any], kind: Any, column: int) -> bool:
    """Return whether categories are strings; raise if the input has none such."""
    strings = [isinstance(category, str) for category in categories]
    if any(strings) and not all(strings):
        raise NotImplementedError(
            f"Feature {column} has categories of both numbers and strings, which no "
            "input of ONNX can hold."
        )
    if _holds_strings(kind) != all(strings):
        needed = "numbers. Its input must be a FloatTensorType or Int64TensorType."
        if all(strings):
            needed = "strings. It needs an input of its own, StringTensorType([None, 1])."
        raise ValueError(f"Feature {column} has categories that are {needed}")
    return all(strings)


def _rows_of_floats(graph: Graph, cells: str, categories: list[Any], column: int) -> str:
    """Return the rows of the tables for cells of float32."""
    with np.errstate(over="ignore"):
        own = np.array(categories, dtype=np.float32)
    if len(np.unique(own)) < len(own) or not np.isfinite(own).all():
        raise ValueError(
            f"Feature {column} has categories that are the same in float32. Use an input "
            "of Int64TensorType for it."
        )
    rows = _looked_up(graph, cells, "floats", own.tolist(), {})
    missing = graph.integers(len(categories) + 1)
    return graph.add("Where", graph.add("IsNaN", cells), missing, rows)


def _looked_up(
    graph: Graph, cells: str, kind: str, keys: Sequence[Any], others: dict[Any, int]
) -> str:
    """Return the position of each cell among keys; None is the key of no cell."""
    own = others | {key: row for row, key in enumerate(keys) if key is not None}
    attributes: dict[str, Any] = {
        f"keys_{kind}": list(own),
        "values_int64s": list(own.values()),
        "default_int64": len(keys),
    }
    return graph.add(
        "LabelEncoder", cells, op_domain="ai.onnx.ml", op_version=2, **attributes
    )


def _holds_strings(kind: Any) -> bool:
    from skl2onnx.common.data_types import StringTensorType

    return isinstance(kind, StringTensorType)


def _holds_integers(kind: Any) -> bool:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    return not isinstance(kind, DoubleTensorType | FloatTensorType)


def _has_doubles(operator: Any) -> bool:
    from skl2onnx.common.data_types import DoubleTensorType

    return any(isinstance(own.type, DoubleTensorType) for own in operator.inputs)


# A network.


def _scores(graph: Graph, network: Any, Z: str) -> str:
    """Return Z, with ``[-z, z]`` for two classes."""
    if network.n_outputs_ == 1 and not network._multilabel and len(network.classes_) == 2:
        return graph.beside([graph.add("Neg", Z), Z])
    return Z


def _outputs(graph: Graph, table: Table, predictor: Predictor) -> str:
    """Add the graph from the inputs to the outputs of a network."""
    columns, layers = predictor.columns, predictor.standardised_layers
    A = graph.plus(_encoded(graph, table, predictor), -columns.mean)
    rest = columns.mean - graph.rounded(columns.mean)
    shift = rest / columns.scale @ layers[0][1:]
    A = graph.times(A, 1 / columns.scale)
    A = graph.clip(A, UNSEEN_LIMIT[graph.dtype.name])
    for l, V in enumerate(layers):
        b = V[0] - shift if l == 0 else V[0]
        A = graph.add("Gemm", A, graph.numbers(V[1:]), graph.numbers(b))
        if l < len(layers) - 1:
            A = _activated(graph, A, predictor.network.activations[l].name)
    return graph.clip(A, min(LARGEST_OUTPUT, graph.largest / 4))


def _encoded(graph: Graph, table: Table, predictor: Predictor) -> str:
    """Add the encoded columns."""
    encoder = predictor.encoder
    if encoder is None:
        return _filled(graph, table, predictor.columns.mean)
    parts = []
    if table.numbers is not None:
        filled = _filled(graph, table, encoder.fill[encoder.numbers])
        parts.append(filled)
        if encoder.has_steps:
            parts.append(_steps(graph, filled, encoder))
        if len(encoder.flagged):
            flagged = np.searchsorted(encoder.numbers, encoder.flagged)
            missing = graph.add("IsNaN", graph.take(table.numbers, flagged))
            parts.append(graph.cast(missing, graph.dtype))
    tables: list[Category | MeanTargets] = [*encoder.categories, *encoder.mean_targets]
    for own in tables:
        rows = table.rows[own.column]
        parts.append(graph.add("Gather", graph.numbers(own.table), rows, axis=0))
    return graph.beside(parts)


def _filled(graph: Graph, table: Table, fill: Array) -> str:
    """Add the numbers, with a mean for each that is missing."""
    assert table.numbers is not None
    missing = graph.add("IsNaN", table.numbers)
    return graph.add("Where", missing, graph.numbers(fill), table.numbers)


def _steps(graph: Graph, filled: str, encoder: Encoder) -> str:
    """Add the steps of the numbers."""
    steps = encoder.steps
    x = graph.take(filled, np.searchsorted(encoder.numbers, steps.source))
    x = graph.plus(x, -steps.shift)
    rest = steps.shift - graph.rounded(steps.shift)
    if rest.any():
        x = graph.plus(x, -rest)
    x = graph.times(x, steps.slope)
    x = graph.add("Max", x, graph.numbers(steps.low))
    return graph.add("Min", x, graph.numbers(steps.high))


def _activated(graph: Graph, Z: str, name: str) -> str:
    """Add an activation."""
    if name == "identity":
        return Z
    if name == "leaky_relu":  # onnxruntime has its own in float32 only
        return graph.add("Max", Z, graph.add("Mul", Z, graph.numbers(LEAK)))
    if name == "silu":  # Z sigmoid(Z), whose sigmoid is rounded where Z is large
        denominator = graph.add("Exp", graph.add("Neg", Z))
        return graph.add("Div", Z, graph.add("Add", denominator, graph.numbers(1.0)))
    return graph.add({"logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}[name], Z)


# Labels, probabilities and predictions.


def _labels(scope: Any, model: Any) -> list[str] | NDArray[np.int64]:
    """Return labels as ONNX has them; their numbers if that is asked for."""
    from skl2onnx.common.utils_classifier import get_label_classes

    classes = get_label_classes(scope, model)
    own = np.array(classes.tolist())
    if own.dtype.kind == "U":
        return [str(label) for label in own]
    if own.dtype.kind in "biuf" and np.all(own == np.floor(own.astype(np.float64))):
        return own.astype(np.int64)
    raise ValueError(
        f"Labels must be integers or strings to be those of ONNX; got {classes!r}."
    )


def _probabilities(graph: Graph, model: Any, scores: str) -> str:
    if model._targets.loss.out_activation == "softmax":
        return graph.add("Softmax", scores, axis=1)
    return graph.add("Sigmoid", scores)


def _predictions(graph: Graph, targets: RealTargets, Z: str) -> str:
    """Add the predictions in the unit of y."""
    if targets.loss.out_activation == "exponential":
        Z = graph.add("Exp", Z)
    with np.errstate(over="ignore"):
        graph.fitting(1 / targets.scale)  # what is too small would vanish
    P = graph.plus(graph.times(Z, targets.scale), targets.centre)
    return graph.clip(P, graph.largest)


def _mean(graph: Graph, model: Any, parts: Sequence[str], limit: float) -> str:
    """Add the mean of networks under their weights, whose sum may be rounded above 1."""
    if not hasattr(model, "weights_"):
        return parts[0]
    own = [
        graph.add("Mul", part, graph.numbers(weight))
        for weight, part in zip(model.weights_, parts, strict=True)
    ]
    return graph.clip(graph.add("Sum", *own), limit)


def _write(graph: Graph, values: str, output: Any) -> None:
    """Give numbers to an output, in its precision."""
    from skl2onnx.common.data_types import DoubleTensorType

    double = isinstance(output.type, DoubleTensorType)
    graph.cast(values, np.float64 if double else np.float32, output=output.full_name)


def _write_label(
    graph: Graph, model: Any, values: str, threshold: float, output: str
) -> None:
    """Add the labels: of the largest value, or of those above a threshold."""
    if model._multilabel:
        above = graph.add("Greater", values, graph.numbers(threshold))
        graph.cast(above, np.int64, output=output)
        return
    labels = _labels(graph.scope, model)
    own = graph.strings(labels) if isinstance(labels, list) else graph.integers(labels)
    largest = graph.add("ArgMax", values, axis=1, keepdims=0)
    graph.add("Gather", own, largest, output=output, axis=0)
