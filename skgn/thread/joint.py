r"""The thread's corrected equation: a layer's step and what it passes down, at once.

A layer's ``Z_l`` changes by its own weights and by its input,

    Ã_{l-1} D_l + C_l = -E_l,      C_l = -ΔA_{l-1} W_l,

and of the many solutions the one of least ``λ ‖D‖² + Σ w_i ‖c_i‖²`` is taken. The thread
has λ = 1 and writes it as ``[D; C] = -pinv([Ã I]) E``, by the m × m matrix ``ÃÃ' + I``.
By the push-through identity this is ridge regression,

    D_l = -Ã' (ÃÃ' + λ I)^-1 E_l = -(Ã'Ã + λ I)^-1 Ã' E_l,      -C_l = E_l + Ã_{l-1} D_l,

with row weights ``(Ã'WÃ + λ I)^-1 Ã'W E_l``: the smaller of an m × m and an n × n system
gives both. What the layer does not explain is passed down,

    ΔA_{l-1} = (E_l + Ã_{l-1} D_l) pinv(W_l).

λ is the estimator's `damping`, for raw row weights; divided by their sum it has the unit
of the mean cost, as all damping within.
"""

from skgn.linalg.kronecker import Factor
from skgn.linalg.products import matmul
from skgn.thread.layerwise import LayerEquations, pseudo_inverse
from skgn.typing import Array


class JointEquations(LayerEquations):
    """One ridge regression per layer, whose residual is passed down.

    Parameters
    ----------
    input_factor : Factor
        Of ``S_1``, decomposed once per fit.
    damping : float
        λ/Σw, positive.
    """

    def __init__(self, input_factor: Factor, damping: float):
        super().__init__(input_factor)
        self.damping = damping

    def pass_down(self, E: Array, tilde: Array, V: Array, D: Array) -> Array:
        """See :class:`LayerEquations`."""
        return (E + matmul(tilde, D)) @ pseudo_inverse(V[1:])
