"""Pictures of what a fit has left behind, by the conventions of scikit-learn's displays.

matplotlib is imported where something is drawn, and not before.
"""

from skgn.displays.alpha_path import AlphaPathDisplay
from skgn.displays.encoding import EncodingDisplay
from skgn.displays.loss_curve import LossCurveDisplay
from skgn.displays.members import MembersDisplay

__all__ = ["AlphaPathDisplay", "EncodingDisplay", "LossCurveDisplay", "MembersDisplay"]
