"""Why did the thread's method work with one hidden layer and diverge with more?
=============================================================================

It lacks three things that the default solver has:

1. weights: the least squares of a layer is weighted by the curvature H of the loss;
2. multiplication: errors are carried down by back-propagation, which multiplies by W and
   g', where the thread divides by them;
3. rescaling: the layers' steps together are given their length by the exact
   Gauss-Newton model, with the previous step.

Here each is taken out of the default solver, alone, and then all three. Every variant
runs twice: guarded, where the loop accepts only a lower objective and adapts the damping,
as the default does; and unguarded, where every step is taken at its whole length, as the
thread does. What is plotted is the training cost per iteration, rejected trials included.

Usage: ``python examples/plot_repairs.py [--save FILE]``
"""

import argparse
import warnings
from dataclasses import dataclass, field, replace

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import skgn
from skgn import GaussNewtonMLPClassifier
from skgn.fitting.settings import Settings
from skgn.linalg.kronecker import Factor
from skgn.model.evaluation import Evaluation
from skgn.model.losses import Pointwise
from skgn.steps.combination import Model, best_combination
from skgn.steps.kronecker import KroneckerStep
from skgn.steps.proposal import Proposal
from skgn.thread.controls import Unguarded
from skgn.thread.layerwise import tangent_of
from skgn.thread.sequential import SequentialEquations

ITERATIONS = 60
TARGET = 1e-3
HIDDEN = {"1 hidden layer": (50,), "3 hidden layers": (50, 50, 50)}
ACTIVATIONS = ("tanh", "leaky_relu")


# %%
# The steps
# ---------
# The default solver, with parts taken out.


def previous_tangent(step, here):
    """Return the previous accepted step as a direction here, in a list."""
    if step.previous is None:
        return []
    return here.tangents([step.previous.step], [step.previous.Z1_dot])


def alone(here, tangent, guarded):
    """Return a direction as it is, at its whole length.

    The guard refuses what its own model refuses: more damping is tried then.
    """
    model = Model.of(here, [tangent])
    if guarded and model.slopes[0] + 0.5 * model.curvatures[0, 0] >= 0:
        raise np.linalg.LinAlgError("the model promises no decrease")
    return Proposal(
        step=tangent.direction,
        Z1_dot=tangent.Z1_dot,
        slope=float(model.slopes[0]),
        curvature=float(model.curvatures[0, 0]),
        potential=model.potential(0.0, 0.0),
    )


@dataclass(frozen=True)
class Unweighted:
    """A loss whose H is taken for 1: the error is then the working residual."""

    loss: object

    def pointwise(self, Z, targets):
        at = self.loss.pointwise(Z, targets)
        E = self.loss.working_residual(at)
        return Pointwise(at.loss, E, np.ones_like(E))

    def hessian_sqrt(self, at):
        m, K = at.residual.shape
        return np.repeat(np.eye(K)[:, None], m, axis=1)

    def root_columns(self, K):
        return K

    def trace(self, at):
        return at.spread.sum(axis=1)


class Ablated:
    """The default step without some of its parts.

    Parameters
    ----------
    first : FirstLayer
    passes : int
    guarded : bool
    weights, multiply, rescale : bool
        Whether the part is there.
    """

    def __init__(self, first, passes, guarded, weights=True, multiply=True, rescale=True):
        self.kronecker = KroneckerStep(first.factor, passes)
        self.guarded = guarded
        self.weights, self.multiply, self.rescale = weights, multiply, rescale
        self.previous = None

    def propose(self, here, damping):
        make = self.multiplied if self.multiply else self.divided
        along = tangent_of(here, make(here, damping))
        if not self.rescale:
            return alone(here, along, self.guarded)
        tangents = [along, *previous_tangent(self, here)]
        return best_combination(here, tangents, damping, self.largest_curvature)

    def multiplied(self, here, damping):
        """Return the direction of the Kronecker-factored blocks."""
        if not self.weights:
            objective = replace(here.objective, loss=Unweighted(here.objective.loss))
            here = Evaluation(objective, here.theta, here.trace)
        step = self.kronecker
        step._prepare(here)
        layers = here.objective.network.layers
        direction = np.empty_like(here.theta)
        pairs = zip(layers(direction), layers(here.gradient), strict=True)
        for block, (D, G) in zip(step.blocks, pairs, strict=True):
            D[:] = -block.solve(G, damping + here.objective.alpha)
        return direction

    def divided(self, here, damping):
        """Return the direction of the thread's equations, damped."""
        objective = here.objective
        if self.weights:
            objective = replace(objective, row_weights=here.curvature_weights)
        S = Factor.decompose(objective.inputs.gram(objective.row_weights))
        equations = SequentialEquations(S)
        equations.damping = damping
        return equations.direction(Evaluation(objective, here.theta, here.trace))

    def accept(self, proposal):
        self.previous = self.kronecker.previous = proposal
        self.kronecker.steps += 1
        self.kronecker.age += 1

    @property
    def spectra(self):
        return []  # alpha is given

    @property
    def largest_curvature(self):
        return self.kronecker.largest_curvature if self.multiply else 1.0


VARIANTS = {
    "all three": {},
    "no weights": {"weights": False},
    "divides": {"multiply": False},
    "no rescaling": {"rescale": False},
    "none of them": {"weights": False, "multiply": False, "rescale": False},
}


@dataclass(frozen=True)
class AblatedSettings(Settings):
    """Settings that stand for another step and, if asked, no guard."""

    parts: dict = field(default_factory=dict)
    guarded: bool = True

    def step(self, first, loss, n_outputs, damping):
        passes = loss.root_columns(n_outputs)
        return Ablated(first, passes, self.guarded, **self.parts)

    def control(self, damping):
        return super().control(damping) if self.guarded else Unguarded(damping)


class AblatedClassifier(GaussNewtonMLPClassifier):
    """The default classifier with such settings."""

    def use(self, parts, guarded):
        self.own = {"parts": parts, "guarded": guarded}
        return self

    def _settings(self):
        return AblatedSettings(**vars(super()._settings()), **self.own)


# %%
# The fits
# --------


def costs(hidden, activation, parts, guarded, seed, X, y):
    """Return the training cost at the start and after each iteration."""
    net = AblatedClassifier(
        hidden,
        activation,
        alpha=0,
        tol=0,
        cost_threshold=TARGET,
        max_iter=ITERATIONS,
        random_state=seed,
    ).use(parts, guarded)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return net.fit(X, y).history_["cost"]


def measure(X, y, seeds):
    """Return the cost curves of all seeds by (net, activation, guarded, variant)."""
    curves = {}
    for net, hidden in HIDDEN.items():
        for activation in ACTIVATIONS:
            for guarded in (True, False):
                for name, parts in VARIANTS.items():
                    curves[net, activation, guarded, name] = [
                        costs(hidden, activation, parts, guarded, seed, X, y)
                        for seed in seeds
                    ]
    return curves


# %%
# The table
# ---------


def outcome(curves):
    """Return a cell: iterations to the target, or the median cost at the end."""
    reached = [len(curve) - 1 for curve in curves if curve[-1] <= TARGET]
    if 2 * len(reached) < len(curves):
        return f"cost {np.median([curve[-1] for curve in curves]):.2g}"
    part = f" ({len(reached)}/{len(curves)})" if len(reached) < len(curves) else ""
    return f"{np.median(reached):.0f} iterations{part}"


def report(curves, seeds):
    """Print the table."""
    print(
        f"skgn {skgn.__version__}, scikit-learn {sklearn.__version__}; digits, all rows, "
        f"alpha=0, {len(seeds)} seeds.\nMedian number of iterations to a training cost "
        f"of {TARGET:g} (seeds that reach it within {ITERATIONS},\nif not all), or the "
        "median cost at the end.\n"
    )
    for guarded in (True, False):
        print("guarded" if guarded else "unguarded")
        columns = [(net, activation) for net in HIDDEN for activation in ACTIVATIONS]
        print(f"{'':14}", *(f"{f'{n}, {a}':>27}" for n, a in columns))
        for name in VARIANTS:
            cells = [outcome(curves[n, a, guarded, name]) for n, a in columns]
            print(f"{name:14}", *(f"{cell:>27}" for cell in cells))
        print()


# %%
# The figure
# ----------


def plot(curves):
    """Draw the median cost per iteration."""
    figure, axes = plt.subplots(
        2, 4, figsize=(11, 6), sharex=True, sharey="row", layout="constrained"
    )
    figure.suptitle(
        "Each repair matters: dividing hardly trains at all, full steps overshoot, "
        "and without weights it is slow"
    )
    palette = ("black", "#0072B2", "#D55E00", "#009E73", "#CC79A7")
    colours = dict(zip(VARIANTS, palette, strict=True))
    columns = [(net, activation) for net in HIDDEN for activation in ACTIVATIONS]
    for row, guarded in zip(axes, (True, False), strict=True):
        for axis, (net, activation) in zip(row, columns, strict=True):
            for name in VARIANTS:
                runs = curves[net, activation, guarded, name]
                padded = [np.append(r, [r[-1]] * (ITERATIONS + 1 - len(r))) for r in runs]
                median = np.median(np.clip(padded, TARGET, 1e6), axis=0)
                axis.plot(median, color=colours[name], label=name, lw=2)
            axis.set_yscale("log")
            axis.set_ylim(TARGET * 0.7, 10 if guarded else 1e6)
            axis.axhline(TARGET, color="grey", ls=":")
            axis.grid(alpha=0.3)
            if guarded:
                axis.set_title(f"{net}, {activation}", fontsize=10)
        row[0].set_ylabel(f"{'guarded' if guarded else 'unguarded'}:\ntraining cost")
    axes[0, 0].text(ITERATIONS, TARGET, "target ", ha="right", va="bottom", color="grey")
    for axis in axes[1]:
        axis.set_xlabel("iteration")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


# %%
# The result
# ----------


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--save", metavar="FILE", help="write the figure to this file")
    parser.add_argument("--seeds", type=int, default=5, help="as many runs of each")
    arguments = parser.parse_args()
    results = measure(*load_digits(return_X_y=True), range(arguments.seeds))
    report(results, range(arguments.seeds))
    drawing = plot(results)
    if arguments.save:
        drawing.savefig(arguments.save, dpi=150)
    else:
        plt.show()
