"""The gain-ratio rule."""

import numpy as np
import pytest

from skgn.training.damping import (
    CEILING,
    CURVATURE_SHARE,
    DEFAULT_DAMPING,
    SMALL_PROMISE,
    GainRatioDamping,
    damping_floor,
)


def test_start():
    """The damping starts as given, or at its default, and is not exhausted."""
    assert GainRatioDamping().value == DEFAULT_DAMPING
    assert GainRatioDamping(3.0).value == 3.0
    assert not GainRatioDamping(3.0).exhausted
    assert not GainRatioDamping(3.0).was_rejected


@pytest.mark.parametrize(
    ("gain_ratio", "factor"),
    [
        (-np.inf, 2),
        (0, 2),
        (0.25, 1 + 0.5**3),
        (0.5, 1),
        (0.75, 1 - 0.5**3),
        (1, 1 / 3),
        (7, 1 / 3),
    ],
)
def test_accepted_trial(gain_ratio, factor):
    """Nielsen's cubic between 1/3 and 2."""
    damping = GainRatioDamping(0.6).accepted(gain_ratio, floor=0.0)
    assert damping.value == pytest.approx(0.6 * factor)


def test_better_models_need_less_damping():
    """The new damping falls with the gain ratio."""
    ratios = np.linspace(0, 1, 50)
    values = [GainRatioDamping(1.0).accepted(ratio, 0.0).value for ratio in ratios]
    assert np.all(np.diff(values) <= 0)
    assert values[0] > 1 > values[-1]


def test_rejections_grow_faster_and_faster():
    """2, 4, 8 times after rejections in a row; an acceptance starts again at 2."""
    damping = GainRatioDamping(1.0)
    values = []
    for _ in range(3):
        damping = damping.rejected()
        assert damping.was_rejected
        values.append(damping.value)
    assert values == [2, 8, 64]
    damping = damping.accepted(0.5, floor=0.0)
    assert not damping.was_rejected
    assert damping.rejected().value == pytest.approx(128)


def test_floor():
    """A good model does not push the damping below the floor."""
    assert GainRatioDamping(1e-3).accepted(1.0, floor=0.5e-3).value == 0.5e-3
    assert damping_floor(1e-4, 10.0, promise=1.0) == 1e-4
    assert damping_floor(1e-4, 1e-9, promise=1.0) == 1e-9
    assert damping_floor(1e-4, 10.0, 0.1 * SMALL_PROMISE) == pytest.approx(1e-5)
    assert damping_floor(0.0, 2.0, promise=1.0) == 2 * CURVATURE_SHARE
    assert damping_floor(0.0, 2.0, promise=1.0, share=1e-16) == 2e-16


def test_at():
    """Another damping, the same rule, and no rejection in memory."""
    rule = GainRatioDamping(1.0, floor_share=1e-16, fraction=0.5)
    assert rule.rejected().at(0.3) == GainRatioDamping(0.3, 2.0, 0.5, 1e-16)


@pytest.mark.parametrize("value", [2 * CEILING, np.inf, np.nan])
def test_exhausted(value):
    """Past the ceiling, or not a number, more damping helps no more."""
    assert GainRatioDamping(value).exhausted
    assert not GainRatioDamping(CEILING / 2).exhausted


def test_frozen():
    """The rule returns a new damping and leaves the old one."""
    damping = GainRatioDamping(1.0)
    damping.rejected()
    damping.accepted(1.0, 0.0)
    assert damping == GainRatioDamping(1.0)
