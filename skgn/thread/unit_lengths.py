r"""A length for the step of every unit, from the exact Gauss-Newton model.

The step D of a layer, shape (1 + n_{l-1}, n_l), has a column for each of the layer's
units. Where the columns are right about *how* a unit's weights should change and not
about *how far*, each may be multiplied by a number of its own. These numbers ``c_u``, for
all units of all layers together with one more for a further direction P, minimise the
damped quadratic model (:mod:`skgn.steps.combination`). Its matrix has a side for each
unit, and it is computed without one Jacobian-vector product per unit: along the column
of unit u of layer l, row i of the outputs changes by

    R_u[i] = (Ã_{l-1} D_l)[i, u] · J_l[i][:, u],

the unit's own change times its column of the Jacobian ``J_l = ∂Z_L / ∂Z_l``. With the
loss Hessian's root ``H = B B'``, ``J_l' B`` is one backward pass per column of B, as for
the output factors of :mod:`skgn.steps.kronecker`, and the matrix is a Gram matrix:

    R_u' H R_v = Σ_i Σ_c q_u[i, c] q_v[i, c],      q_u[i, c] = B[i][:, c]' R_u[i] .

Cost for N units: those backward passes and the product of an (m · passes, N) matrix with
itself.
"""

import numpy as np

from skgn.model.evaluation import Evaluation, Tangent
from skgn.model.network import Network
from skgn.steps.combination import Model
from skgn.typing import Array


def unit_model(here: Evaluation, along: Tangent, other: Tangent | None) -> Model:
    """Return the quadratic model over each unit's column of a step, and one direction.

    Parameters
    ----------
    here : Evaluation
    along : Tangent
        Of the step whose columns are taken apart.
    other : Tangent or None
        Of the further direction, the last of the model.
    """
    objective = here.objective
    D = along.direction
    slopes = _by_unit(here, here.gradient, D)
    squares = _by_unit(here, D, D)
    weights = _by_unit(here, D, D, intercepts=False)
    curvatures = here.unit_gram(along, other)
    products = np.diag(squares)
    penalty = np.diag(weights)
    if other is not None:
        P = other.direction
        slopes = np.append(slopes, here.gradient @ P)
        products = _bordered(products, _by_unit(here, D, P), float(P @ P))
        shared = _by_unit(here, D, P, intercepts=False)
        penalty = _bordered(penalty, shared, objective.network.weight_inner(P, P))
    return Model(slopes, curvatures + objective.alpha * penalty, products)


def scale_units(network: Network, step: Array, Z1_dot: Array, lengths: Array) -> None:
    """Multiply each unit's column of a flat step, and of the ``Ż_1`` it makes, in place.

    `lengths` holds a number for each unit, layer by layer; what follows is not used.
    """
    start = 0
    for l, D in enumerate(network.layers(step)):
        part = lengths[start : start + D.shape[1]].astype(D.dtype)
        D *= part
        if l == 0:
            Z1_dot *= part
        start += D.shape[1]


def _by_unit(here: Evaluation, a: Array, b: Array, intercepts: bool = True) -> Array:
    """Return the inner product of two flat directions unit by unit, float64."""
    layers = here.objective.network.layers
    first = 0 if intercepts else 1
    sums = [
        np.einsum("ij,ij->j", A[first:], B[first:], dtype=np.float64)
        for A, B in zip(layers(a), layers(b), strict=True)
    ]
    return np.concatenate(sums)


def _bordered(matrix: Array, border: Array, corner: float) -> Array:
    """Return a symmetric matrix with one more row and column."""
    bottom = np.append(border, corner)
    return np.block([[matrix, border[:, None]], [bottom]])
