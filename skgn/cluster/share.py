r"""The rows that one task holds, and what it is asked for; every answer is a sum.

All that a full-batch iteration asks of its rows are sums over them. With row weights ω of
sum 1 over the rows of all shares, and the loss ℓ and its Hessian H of each row,

    cost             Σ ω_i ℓ_i
    gradient         Σ ω_i J_i' ∇ℓ_i                  without the penalty
    input factors    Σ ω_i h_i ã_i ã_i',  Σ ω_i h_i   h = tr H; the quotient is S_l
    output factors   Σ ω_i J_l' H_i J_l               Γ_l
    quadratic model  Σ ω_i R_p[i]' H_i R_q[i]         R_p the change along direction p

The penalty is added once, where the sums meet. A share is worked on in blocks of rows
that fit into the processor's cache, each of which is an ordinary
:class:`skgn.model.objective.Objective`. Nothing of one question is kept for the next: a
task can be computed again, elsewhere, from its rows and its question. That costs three
products with ``Ã_0`` more than a local iteration, in cache, and saves the traffic of the
traces of all rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skgn.data.inputs import DenseInputs, SparseInputs
from skgn.linalg.products import row_chunks, weighted_gram
from skgn.linalg.scratch import scratch
from skgn.model.evaluation import Evaluation
from skgn.model.losses import Loss
from skgn.model.network import Network
from skgn.model.objective import Objective
from skgn.typing import Array

#: What shares answer: names of sums.
Sums = dict[str, Any]


@dataclass(frozen=True)
class Share:
    """Some of the rows, in the coordinates of the first layer.

    Attributes
    ----------
    inputs : DenseInputs or SparseInputs of shape (m, n)
    targets : ndarray
        In the form the loss takes.
    row_weights : ndarray of shape (m,)
        Of sum 1 over the rows of all shares, in the precision of the inputs.
    number : int
        Of the share.
    """

    inputs: DenseInputs | SparseInputs
    targets: NDArray[Any]
    row_weights: Array
    number: int = 0

    def __sizeof__(self) -> int:
        """Return the bytes of the rows; whoever moves or spills them asks."""
        own = self.inputs
        if isinstance(own, DenseInputs):
            rows = own.tilde.nbytes
        else:
            rows = own.X.data.nbytes + own.X.indices.nbytes + own.X.indptr.nbytes
        return int(rows + self.targets.nbytes + self.row_weights.nbytes)

    def batch(self, groups: NDArray[np.intp], count: int) -> "Share":
        """Return the rows of some of `count` groups of neighbours, as a copy."""
        m = len(self.row_weights)
        starts, stops = groups * m // count, (groups + 1) * m // count
        pairs = zip(starts.tolist(), stops.tolist(), strict=True)
        return self.take(np.concatenate([np.arange(*pair) for pair in pairs]))

    def shuffled(self, seed: int) -> "Share":
        """Return the rows in an order that is drawn."""
        state = np.random.RandomState((seed, self.number))
        return self.take(state.permutation(len(self.row_weights)))

    def take(self, index: NDArray[np.intp]) -> "Share":
        """Return some of the rows, as a copy."""
        return Share(
            self.inputs.take(index),
            self.targets[index],
            self.row_weights[index],
            self.number,
        )

    def blocks(self, network: Network, loss: Loss) -> Iterator[Objective]:
        """Yield the objective, without penalty, on blocks of the rows.

        Of each block, what it was evaluated to is good until the next one.
        """
        dtype = self.row_weights.dtype
        for rows in row_chunks(len(self.row_weights), max(network.widths[1:])):
            weights = self.row_weights[rows]
            m = len(weights)
            trace = network.new_trace(m, dtype, slopes=True, passing=True)
            delta = scratch("delta", (m, network.widths[1]), dtype)
            yield Objective(
                network,
                loss,
                self.inputs.take(rows),
                self.targets[rows],
                weights,
                0.0,
                [trace],
                {"delta": delta},
            )


@dataclass(frozen=True)
class Point:
    """Asks for cost and gradient at given weights, and the layers' factors if wanted."""

    network: Network
    loss: Loss
    theta: Array
    factors: bool = False

    def __call__(self, share: Share) -> Sums:
        """Return the sums of a share."""
        sums: Sums = {}
        for block in share.blocks(self.network, self.loss):
            here = block.evaluate(self.theta)
            add(sums, {"cost": here.cost, "gradient": here.gradient})
            if self.factors:
                add(sums, factors(here))
        return sums


def input_factors(here: Evaluation) -> Sums:
    """Return the sums of the layers' input factors."""
    objective = here.objective
    weights = objective.row_weights * objective.loss.trace(here.pointwise)
    return {"total": float(weights.sum()), **input_grams(here, weights)}


def input_grams(here: Evaluation, weights: Array) -> Sums:
    """Return ``S_2 .. S_L`` of weighted rows, or ``S_1`` where there are no others."""
    if not here.trace.hidden:
        return {"S1": here.objective.inputs.gram(weights)}
    hidden = enumerate(here.trace.hidden, start=2)
    return {f"S{l}": weighted_gram(tilde, weights) for l, tilde in hidden}


def output_grams(grams: Sequence[Array]) -> Sums:
    """Return ``Γ_1 .. Γ_L`` by their names."""
    return {f"G{l}": gamma for l, gamma in enumerate(grams, start=1)}


def factors(here: Evaluation) -> Sums:
    """Return the sums of the layers' factors."""
    return {**input_factors(here), **output_grams(here.output_grams())}


@dataclass(frozen=True)
class PlainFactors:
    """Asks for the input factors under the row weights alone."""

    network: Network
    loss: Loss
    theta: Array

    def __call__(self, share: Share) -> Sums:
        """Return the sums of a share."""
        sums: Sums = {}
        for block in share.blocks(self.network, self.loss):
            add(sums, input_grams(block.evaluate(self.theta), block.row_weights))
        return sums


@dataclass(frozen=True)
class SampledFactors:
    """Asks for unbiased estimates of the output factors, by random signs."""

    network: Network
    loss: Loss
    theta: Array
    seed: int

    def __call__(self, share: Share) -> Sums:
        """Return the sums of a share."""
        state = np.random.RandomState((self.seed, share.number))
        sums: Sums = {}
        for block in share.blocks(self.network, self.loss):
            here = block.evaluate(self.theta)
            add(sums, output_grams(here.sampled_output_grams(state)))
        return sums


@dataclass(frozen=True)
class Batch:
    """Asks for cost and gradient of a batch, and estimates of the factors if wanted.

    Attributes
    ----------
    groups : ndarray of int
        Which of `count` groups, into which each share is divided, are the batch.
    seed : int or None
        Of the signs that the output factors are estimated by; None for no factors.
    """

    network: Network
    loss: Loss
    theta: Array
    groups: NDArray[np.intp]
    count: int
    seed: int | None

    def __call__(self, share: Share) -> Sums:
        """Return the sums of a share."""
        batch, state = share.batch(self.groups, self.count), None
        if self.seed is not None:
            state = np.random.RandomState((self.seed, share.number))
        sums: Sums = {"rows": len(batch.row_weights)}
        for block in batch.blocks(self.network, self.loss):
            here = block.evaluate(self.theta)
            add(sums, {"cost": here.cost, "gradient": here.gradient})
            if state is not None:
                sampled = output_grams(here.sampled_output_grams(state))
                add(sums, {**input_factors(here), **sampled})
        return sums


@dataclass(frozen=True)
class Model:
    """Asks for the Gauss-Newton matrix of flat directions at given weights."""

    network: Network
    loss: Loss
    theta: Array
    directions: tuple[Array, ...]

    def __call__(self, share: Share) -> Sums:
        """Return the sums of a share."""
        sums: Sums = {}
        for block in share.blocks(self.network, self.loss):
            here = block.evaluate(self.theta)
            shape, dtype = here.trace.Z[0].shape, self.theta.dtype
            changes = [
                here.first_change(D, out=scratch(f"change{i}", shape, dtype))
                for i, D in enumerate(self.directions)
            ]
            tangents = here.tangents(self.directions, changes)
            add(sums, {"model": here.gauss_newton(tangents)})
        return sums


@dataclass(frozen=True)
class FirstGram:
    """Asks for ``S_1`` under the row weights."""

    def __call__(self, share: Share) -> Sums:
        """Return the sums of a share."""
        weights = share.row_weights
        if isinstance(share.inputs, DenseInputs):  # as a local fit does
            weights = weights.astype(np.float64)
        return {"S1": share.inputs.gram(weights)}


@dataclass(frozen=True)
class FirstProduct:
    """Asks for ``S_1 V`` under the row weights."""

    V: Array

    def __call__(self, share: Share) -> Sums:
        """Return the sums of a share."""
        Z = np.empty((len(share.row_weights), self.V.shape[1]), self.V.dtype)
        share.inputs.product(self.V, out=Z)
        Z *= share.row_weights[:, None]
        trace = share.inputs.gram_trace(share.row_weights)
        return {"product": share.inputs.adjoint(Z), "trace": trace}


@dataclass(frozen=True)
class Judgement:
    """Asks what rows that a fit does not see say of given weights."""

    network: Network
    loss: Loss
    theta: Array

    def __call__(self, share: Share) -> Sums:
        """Return the sums of a share."""
        sums: Sums = {}
        for block in share.blocks(self.network, self.loss):
            here, weights = block.evaluate(self.theta), block.row_weights_64
            Z = here.trace.Z[-1].astype(np.float64)
            losses = self.loss.pointwise(Z, block.targets).loss
            total = float(weights.sum())
            score = self.loss.score(Z, block.targets, weights / total)
            own = {"loss": float(weights @ losses), "score": total * score}
            add(sums, {**own, "total": total})
        return sums


@dataclass(frozen=True)
class NullCost:
    """Asks for the mean loss of always predicting a mean target."""

    loss: Loss
    mean: Array

    def __call__(self, share: Share) -> Sums:
        """Return the sums of a share."""
        link = self.loss.mean_link(self.mean)
        Z = np.broadcast_to(link, (len(share.row_weights), len(link)))
        losses = self.loss.pointwise(Z, share.targets).loss
        return {"cost": float(share.row_weights.astype(np.float64) @ losses)}


def zero_rows(n: int, dtype: Any) -> DenseInputs:
    """Return the inputs of none of the rows, which are elsewhere."""
    return DenseInputs(np.empty((0, 1 + n), dtype))


def add(sums: Sums, more: Sums) -> None:
    """Add other sums, arrays in place."""
    for name, value in more.items():
        if name in sums:
            sums[name] += value
        else:
            sums[name] = value
