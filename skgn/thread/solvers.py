"""The thread's solvers and controls by the names that users give them."""

from skgn.linalg.kronecker import Factor
from skgn.steps.proposal import Step
from skgn.thread.controls import LineSearch, Unguarded
from skgn.thread.joint import JointEquations
from skgn.thread.layerwise import LayerEquations
from skgn.thread.plain import PlainStep
from skgn.thread.sequential import SequentialEquations
from skgn.thread.signed import SignedStep
from skgn.training.control import Control


def thread_step(
    solver: str, factor: Factor, damping: float, updated: float, is_signed: bool
) -> Step:
    """Return how a solver proposes steps.

    Parameters
    ----------
    solver : {"joint", "sequential"}
    factor : Factor
        Of ``S_1``.
    damping : float
    updated : float
        Share of a layer's step that the layers after it see at once.
    is_signed : bool
        Whether the sign of each unit's step is chosen.
    """
    equations: LayerEquations
    if solver == "joint":
        equations = JointEquations(factor, damping)
    else:
        equations = SequentialEquations(factor, updated)
    return (SignedStep if is_signed else PlainStep)(equations)


def thread_control(safeguard: str | None, damping: float, step_size: float) -> Control:
    """Return how trials are judged: by a line search, or not at all."""
    if safeguard == "line_search":
        return LineSearch(damping, step_size)
    return Unguarded(damping, step_size)
