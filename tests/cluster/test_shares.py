"""What shares answer, added up, against the evaluation of all rows in one place."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgn.cluster.objective import Groups, SummedBatches, SummedObjective
from skgn.cluster.share import (
    Batch,
    FirstGram,
    FirstProduct,
    Judgement,
    Model,
    NullCost,
    Point,
    Share,
)
from skgn.cluster.spread import InProcess, added
from skgn.data.columns import Standardisation
from skgn.data.inputs import make_inputs
from skgn.steps.kronecker import KroneckerStep
from skgn.training.held_out import HeldOut
from tests.problems import case as draw_case
from tests.problems import network_cases

#: Of hidden layers alone, some activations stand for the others.
CASES = {
    name: own
    for name, own in network_cases().items()
    if own.loss != "squared" and name.split(", ")[-1] not in ("identity", "relu", "silu")
}

#: Numbers of parts that rows are divided into, beside one that has none.
PARTS = [1, 3, 7]

pytestmark = pytest.mark.usefixtures("chunks")


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(params=PARTS)
def count(request):
    return request.param


def spread(objective, count, first_is_empty=False):
    """Return shares of the rows of an objective, one of them without any."""
    parts = np.array_split(np.arange(objective.rows), count)
    parts.insert(0 if first_is_empty else 1, np.arange(0))
    inputs, targets = objective.inputs, objective.targets
    return InProcess(
        [
            Share(inputs.take(rows), targets[rows], objective.row_weights[rows], number)
            for number, rows in enumerate(parts)
        ]
    )


def summed(objective, count):
    """Return the objective whose rows are spread, as a fit makes it."""
    step = KroneckerStep(None, 1)  # which has no blocks yet, and will refresh
    return SummedObjective.of(
        objective.network,
        objective.loss,
        spread(objective, count),
        step,
        objective.alpha,
        objective.inputs.dtype,
    )


def both(case, count):
    """Return the evaluation of all rows, and that of shares."""
    local = case.objective()
    return local.evaluate(case.theta), summed(local, count).evaluate(case.theta)


def directions(case, number, seed=5):
    return list(np.random.default_rng(seed).normal(size=(number, case.theta.size)))


def assert_equal(several, others):
    assert len(several) == len(others)
    for own, other in zip(several, others, strict=True):
        assert_allclose(own, other, rtol=1e-12, atol=1e-14)


def test_cost_and_gradient(case, count):
    local, here = both(case, count)
    assert here.cost == pytest.approx(local.cost, rel=1e-13)
    assert here.value == pytest.approx(local.value, rel=1e-13)
    assert_allclose(here.gradient, local.gradient, rtol=1e-12, atol=1e-15)


def test_gradients_of_another_penalty(case):
    """The penalty is added where the sums meet, and does not stay in them."""
    local, here = both(case, 3)
    for alpha in (0.0, 2.0, case.alpha):
        expected = local.with_alpha(alpha).gradient
        assert_allclose(here.with_alpha(alpha).gradient, expected, atol=1e-14)


def test_factors(case, count):
    """Input and output factors, in the round of the gradient and in one of their own."""
    local, here = both(case, count)
    later = replace(here, sums={name: here.sums[name] for name in ("cost", "gradient")})
    for own in (here, later):
        assert_equal(own.input_grams(), local.input_grams())
        assert_equal(own.output_grams(), local.output_grams())
        if not case.activations:
            assert_equal([own.first_input_gram()], [local.first_input_gram()])
    assert "total" in here.sums and "total" not in later.sums


def test_factors_of_saturated_rows(count):
    """Where no row has curvature, each counts by its weight."""
    for hidden in ((), (3,)):
        names = ("tanh",) * len(hidden)
        case = draw_case("bernoulli", names, hidden, K=1)
        case = replace(case, layers=[1e9 * V for V in case.layers])
        local, here = both(case, count)
        assert here.sums["total"] == 0
        assert_equal(here.input_grams(), local.input_grams())
        assert_equal(here.output_grams(), local.output_grams())
        if not hidden:
            assert_equal([here.first_input_gram()], [local.first_input_gram()])


def test_model(case, count):
    """The quadratic model along three directions, penalty included."""
    local, here = both(case, count)
    D = directions(case, 3)
    own = here.tangents(D, [here.first_change(d) for d in D])
    expected = local.tangents(D, [local.first_change(d) for d in D])
    assert_allclose(
        here.gauss_newton(own), local.gauss_newton(expected), rtol=1e-12, atol=1e-14
    )


def test_sampled_factors_have_the_right_mean(count):
    """Signs are drawn by the number of the share; no two shares have the same."""
    case = draw_case("multinomial", ("tanh",), (3,), K=4, m=30)
    local, here = both(case, count)
    drawn = [
        here.sampled_output_grams(np.random.RandomState(seed)) for seed in range(600)
    ]
    for own, expected in zip(_means(drawn), local.output_grams(), strict=True):
        assert_allclose(own, expected, atol=0.1 * np.abs(expected).max())
    again = here.sampled_output_grams(np.random.RandomState(0))
    assert_equal(again, drawn[0])


def _means(drawn):
    return [np.mean(grams, axis=0) for grams in zip(*drawn, strict=True)]


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_first_layer(case, count, kind):
    """``S_1``, its trace, and its product with a matrix."""
    local = case.objective()
    if kind == "sparse":
        X = sparse.csr_array(case.X * (np.abs(case.X) > 0.3))
        columns = Standardisation.of(X, local.row_weights_64)
        local = replace(local, inputs=make_inputs(X, columns))
    shares = spread(local, count)
    S = local.inputs.gram(local.row_weights)
    assert_allclose(shares.sum(FirstGram())["S1"], S, rtol=1e-12, atol=1e-14)
    V = np.random.default_rng(0).normal(size=(len(S), 2))
    sums = shares.sum(FirstProduct(V))
    assert_allclose(sums["product"], S @ V, rtol=1e-12, atol=1e-13)
    assert sums["trace"] == pytest.approx(np.trace(S), rel=1e-13)


def test_judgement(case, count):
    local = case.objective()
    weights = local.row_weights_64
    held_out = HeldOut(local.network, local.loss, local.inputs, local.targets, weights)
    expected = held_out.judge(case.theta)
    sums = spread(local, count).sum(Judgement(local.network, local.loss, case.theta))
    assert sums["loss"] / sums["total"] == pytest.approx(expected.loss, rel=1e-12)
    assert sums["score"] / sums["total"] == pytest.approx(expected.score, rel=1e-12)


def test_null_cost(count):
    """Mean loss of the mean target, which with two classes is their entropy."""
    case = draw_case("bernoulli", K=1)
    local = case.objective()
    p = float(local.row_weights @ local.targets[:, 0])
    sums = spread(local, count).sum(NullCost(local.loss, np.array([p])))
    entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
    assert sums["cost"] == pytest.approx(entropy, rel=1e-13)


# Batches.


def test_groups_are_a_partition(count):
    """Each row is in one group; a batch of all groups is the objective of all rows."""
    local = CASES["multinomial, two layers"].objective()
    for share in spread(local, count).parts:
        for number in (1, 2, 5, 40):
            groups = [share.batch(np.array([g]), number) for g in range(number)]
            rows = np.concatenate([own.inputs.tilde for own in groups])
            assert_array_equal(rows, share.inputs.tilde)


@pytest.mark.parametrize("first_is_empty", [True, False])
def test_batches_are_unbiased(count, first_is_empty):
    """Weighted by rows, the mean over the batches of an epoch is that of all rows."""
    case = replace(CASES["multinomial, two layers"], alpha=0.3)
    local = case.objective()
    shares = spread(local, count, first_is_empty)

    class Due:
        is_due = True

    groups = Groups((1, local.inputs.shape[1]), local.inputs.dtype)
    for number in (1, 2):
        groups = replace(groups, shape=(number, groups.shape[1]))
        whole = SummedBatches.of(
            local.network,
            local.loss,
            shares,
            Due,
            case.alpha,
            groups,
            local.rows,
            np.random.RandomState(0),
        )
        cost, gradient, rows = 0.0, 0.0, 0
        for group in range(number):
            here = whole.batch(np.array([group])).evaluate(case.theta)
            own = here.sums["rows"]
            share = own / local.rows
            cost, gradient = cost + share * here.cost, gradient + share * here.gradient
            rows += own
            assert [len(G) for G in here.output_grams()] == list(case.widths[1:])
            if number == 1:
                expected = local.evaluate(case.theta)
                assert_equal(here.input_grams(), expected.input_grams())
        expected = local.evaluate(case.theta)
        assert rows == local.rows
        assert cost == pytest.approx(expected.cost, rel=1e-12)
        assert_allclose(gradient, expected.gradient, rtol=1e-12, atol=1e-14)


# Sums, and what they are made of.


def test_sums_leave_what_they_are_made_of():
    """Answers may be read-only, and needed again, in whatever order they come."""
    several = [
        {"rows": 0},
        {"rows": 2, "gradient": np.ones(3), "cost": 1.0},
        {},
        {"rows": 1, "gradient": np.full(3, 2.0), "cost": 0.5},
    ]
    for own in several:
        for value in own.values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
    before = copy.deepcopy(several)
    total = added(several)
    assert total["rows"] == 3 and total["cost"] == 1.5
    assert_array_equal(total["gradient"], np.full(3, 3.0))
    assert str(several) == str(before)
    assert added([]) == {}


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_shares_tell_their_size(kind):
    """Workers move and spill by it."""
    X = np.random.default_rng(0).normal(size=(1000, 20))
    if kind == "sparse":
        X = sparse.csr_array(X * (np.abs(X) > 1))
    inputs = make_inputs(X, Standardisation.none(20))
    share = Share(inputs, np.zeros(1000, np.int8), np.ones(1000))
    size = len(pickle.dumps(share, protocol=5))
    assert 0.95 * size < share.__sizeof__() < 1.05 * size


def test_answers_of_a_share_do_not_depend_on_earlier_ones(case):
    """A task can be computed again, and leaves nothing behind."""
    local = case.objective()
    (share, _) = spread(local, 1).parts
    before = pickle.dumps(share)
    ask = Point(local.network, local.loss, case.theta, factors=True)
    D = tuple(directions(case, 2))
    first = ask(share)
    Model(local.network, local.loss, 2 * case.theta, D)(share)
    Batch(local.network, local.loss, 3 * case.theta, np.arange(2), 3, 0)(share)
    again = ask(pickle.loads(before))
    assert first.keys() == again.keys()
    for name, value in ask(share).items():
        assert_array_equal(value, first[name])
        assert_allclose(value, again[name], rtol=1e-10, atol=1e-12)
    assert pickle.dumps(share) == before
