r"""The thread's first equations: one pseudo-inverse per layer.

The proposal this package grew out of. A layer takes from its error ``E_l`` what its own
weights can take, and passes the *whole* error down as if it had done nothing:

    D_l = -pinv(Ã_{l-1}) E_l,     ΔA_{l-1} = E_l pinv(W_l),     E_{l-1} = ΔA_{l-1} / g'

with weighted rows ``pinv(sqrt(w) Ã) sqrt(w) E``. Two orders are possible, as in the
iterative solution of linear systems: in *Jacobi* order the ``W_l`` that passes the error
down is the one before the step, in *Gauss-Seidel* order the one after it,
``W_l + t D_l`` with the fraction t of the step that is tried first.

Every layer thus explains the same error, and ``pinv(W_1) pinv(W_2)`` is not the
pseudo-inverse of ``W_1 W_2``.
"""

from skgn.linalg.kronecker import Factor
from skgn.thread.layerwise import LayerEquations, pseudo_inverse
from skgn.typing import Array


class SequentialEquations(LayerEquations):
    """One pseudo-inverse per layer.

    Parameters
    ----------
    input_factor : Factor
        Of ``S_1``, decomposed once per fit.
    updated : float
        Fraction of a layer's step that its weights have taken when they pass the error
        down: 0 in Jacobi order, the one tried first in Gauss-Seidel order.
    """

    def __init__(self, input_factor: Factor, updated: float = 0.0):
        super().__init__(input_factor)
        self.updated = updated

    def pass_down(self, E: Array, tilde: Array, V: Array, D: Array) -> Array:
        """See :class:`LayerEquations`."""
        W = V[1:]
        if self.updated:
            W = W + W.dtype.type(self.updated) * D[1:]
        return E @ pseudo_inverse(W)
