"""The module against the NumPy reference, automatic differentiation, finite differences and closed forms."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keras import ops

import lif
from autodiff import BACKEND, some, value_and_gradients
from lif import dynamics, reference, surrogates

RULES = list(
    itertools.product(
        dynamics.RESETS, (0, 1, 3), (0.0, -0.5, None), sorted(reference.SURROGATES), (True, False)
    )
)


def random_case(seed, steps=11, units=5, dtype="float32"):
    rng = np.random.default_rng(seed)
    x = rng.normal(0.3, 0.6, (3, steps, units))
    spike_gradient, potential_gradient = rng.normal(size=(2, *x.shape))
    return tuple(a.astype(dtype) for a in (x, rng.uniform(0, 0.6, units), spike_gradient, potential_gradient))


def run(x, leak, spike_gradient, potential_gradient, rule, mask=None):
    def loss(x, leak):
        s, v = dynamics.simulate_lif(x, leak, rule, return_potential=True, mask=mask)
        return ops.sum(ops.multiply(s, spike_gradient) + ops.multiply(v, potential_gradient)), (s, v)

    return value_and_gradients(loss, x, leak)


def close(a, b, tolerance):
    return np.max(np.abs(a - b)) <= tolerance * (1 + np.max(np.abs(b)))


@pytest.mark.parametrize("seed", range(3))
def test_forward_and_gradient_equal_the_reference_for_every_rule(seed):
    """If this fails, some reset, floor, refractory period or surrogate trains on a wrong gradient."""
    # Each seed takes a third of the rules.
    for i, (reset, refractory, floor, surrogate, detach) in some(list(enumerate(RULES))[seed::3], one_in=13):
        # TensorFlow's loop takes one, four or two steps in each turn.
        x, leak, e, f = random_case(seed * 1000 + i, steps=(11, 12, 14)[seed])
        rule = dynamics.Rule(surrogates.get(surrogate), 1.0, reset, refractory, floor, detach)
        (s, v), (dx, dleak) = run(x, leak, e, f, rule)
        exact = [a.astype("float64") for a in (x, leak, e, f)]
        options = {"reset": reset, "refractory": refractory, "floor": floor}
        expected_s, expected_v = reference.simulate(*exact[:2], **options)
        expected = reference.gradient(*exact, **options, surrogate=surrogate, detach_reset=detach)
        case = f"reset={reset} refractory={refractory} floor={floor} surrogate={surrogate} detach={detach}"
        assert np.array_equal(s, expected_s), case
        assert close(v, expected_v, 1e-5), case
        assert close(dx, expected[0], 2e-5), case
        assert close(dleak, expected[1].sum(0), 2e-5), case


@settings(max_examples=8 if BACKEND == "jax" else 40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31),
    steps=st.integers(1, 20),
    units=st.sampled_from([(1,), (4,), (2, 3), (2, 1, 2)]),
    threshold=st.floats(0.1, 3.0),
    leak=st.floats(0, 1),
    reset=st.sampled_from(dynamics.RESETS),
    refractory=st.integers(0, 5),
)
def test_any_shape_threshold_and_leak(seed, steps, units, threshold, leak, reset, refractory):
    """If this fails, a shape, a number of steps or an extreme leak is treated differently by module and reference."""
    x = np.random.default_rng(seed).normal(0.3, 1.0, (2, steps, *units)).astype("float32")
    leak = np.float32(leak)
    spikes, potential = reference.simulate(x.astype("float64"), leak, threshold, reset, refractory)
    assume(np.min(np.abs(potential - threshold)) > 1e-4)  # rounding may decide a tie
    rule = dynamics.Rule(surrogates.constant(), threshold, reset, refractory)
    s, v = dynamics.simulate_lif(
        ops.convert_to_tensor(x), ops.convert_to_tensor(leak), rule, return_potential=True
    )
    assert np.array_equal(ops.convert_to_numpy(s), spikes)
    assert close(ops.convert_to_numpy(v), potential, 1e-5)


@pytest.mark.parametrize("reset", dynamics.RESETS)
@pytest.mark.parametrize("floor", [0.0, None])
@pytest.mark.parametrize("detach", [True, False])
def test_gradient_equals_autodiff_through_the_unrolled_rule(reset, floor, detach):
    """If this fails, the hand-written backward pass is not the derivative of the rule with its surrogate."""
    x, leak, e, f = random_case(7)
    surrogate = surrogates.sigmoid(beta=4.0)

    def unrolled(x, leak):
        v = ops.zeros_like(x[:, 0])
        spikes, potentials = [], []
        for t in range(x.shape[1]):
            v = (1 - leak) * v + x[:, t]
            v = v if floor is None else ops.maximum(v, floor)
            z = v - 1.0
            # Forward the step function; backward the linear term, whose slope is the surrogate's.
            hard, slope = ops.stop_gradient(ops.cast(z >= 0, "float32")), ops.stop_gradient(surrogate(z))
            s = hard + slope * (z - ops.stop_gradient(z))
            spikes.append(s)
            potentials.append(v)
            at_reset = ops.stop_gradient(s) if detach else s
            v = {"zero": v * (1 - at_reset), "subtract": v - at_reset, "none": v}[reset]
        s, v = ops.stack(spikes, axis=1), ops.stack(potentials, axis=1)
        return ops.sum(ops.multiply(s, e) + ops.multiply(v, f)), (s, v)

    ours, our_gradients = run(x, leak, e, f, dynamics.Rule(surrogate, 1.0, reset, 0, floor, detach))
    theirs, their_gradients = value_and_gradients(unrolled, x, leak)
    for a, b in zip(ours + our_gradients, theirs + their_gradients, strict=True):
        assert close(a, b, 2e-5)


def test_gradient_equals_finite_differences_where_the_rule_is_smooth():
    """Below threshold the potential is smooth: if this fails, the gradient is wrong whatever the surrogate."""
    x, leak, _, f = random_case(3, dtype="float64")
    f = f / 10

    def loss(x, leak):
        return np.sum(reference.simulate(x, leak, threshold=1e9, floor=None)[1] * f)

    rule = dynamics.Rule(surrogates.constant(), threshold=1e9, floor=None)
    _, (dx, dleak) = run(*(a.astype("float32") for a in (x, leak, 0 * f, f)), rule)
    h = 1e-5
    for i in [(0, 0, 0), (1, 7, 3), (2, 10, 4)]:
        step = np.zeros_like(x)
        step[i] = h
        assert dx[i] == pytest.approx(
            (loss(x + step, leak) - loss(x - step, leak)) / (2 * h), rel=1e-4, abs=1e-5
        )
    for j in range(len(leak)):
        step = h * np.eye(len(leak))[j]
        assert dleak[j] == pytest.approx(
            (loss(x, leak + step) - loss(x, leak - step)) / (2 * h), rel=1e-4, abs=1e-4
        )


def test_spike_times_under_constant_current_follow_the_closed_form():
    """V after n steps of current I is I (1 - d^n) / (1 - d): if this fails, the firing rate is wrong."""
    leak = 0.05
    currents = np.array([0.06, 0.08, 0.13, 0.4, 0.99, 1.5])
    x = np.broadcast_to(currents, (1, 400, 6)).astype("float32")
    spikes = ops.convert_to_numpy(lif.LIF(leak=leak)(x))[0]
    interval = np.maximum(
        1, np.ceil(np.log(1 - leak / currents) / np.log(1 - leak), where=currents > leak, out=None)
    )
    interval = np.where(currents >= 1, 1, interval)
    assert np.array_equal(spikes.sum(0), 400 // interval)


def test_a_tie_spikes_and_resets():
    """V equal to the threshold spikes and resets; the authors' package spikes and forgets to reset."""
    x = np.array([0.5, 0.5, 0.1], "float32").reshape(1, 3, 1)
    s, v = lif.LIF(leak=0.0, return_potential=True)(x)
    assert ops.convert_to_numpy(s).ravel().tolist() == [0, 1, 0]
    assert ops.convert_to_numpy(v).ravel() == pytest.approx([0.5, 1.0, 0.1])


def test_a_masked_step_freezes_the_neuron():
    """Deleting the masked steps and running the shorter sequence must give the same spikes and the same gradient."""
    x, leak, e, f = random_case(11, steps=12)
    keep = np.array([1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0], bool)
    rule = dynamics.Rule(surrogates.superspike(), refractory=1)
    mask = ops.convert_to_tensor(np.tile(keep, (3, 1)))
    (s, v), (dx, dleak) = run(x, leak, e, f, rule, mask)
    (s2, v2), (dx2, dleak2) = run(x[:, keep], leak, e[:, keep], 0 * f[:, keep], rule)
    assert not s[:, ~keep].any() and not dx[:, ~keep].any()
    assert np.array_equal(s[:, keep], s2)
    assert close(v[:, keep], v2, 1e-6)
    # The potential of a frozen step is a real output too; without its gradient the two runs agree.
    _, (dx, dleak) = run(x, leak, e, 0 * f, rule, mask)
    assert close(dx[:, keep], dx2, 1e-6) and close(dleak, dleak2, 1e-6)


def test_leaky_integrator_is_a_weighted_sum():
    """Its last value is sum_t d^(T-1-t) x_t: if this fails, a network's output is read out wrongly."""
    x = np.random.default_rng(0).normal(size=(4, 30, 3)).astype("float32")
    weights = 0.9 ** np.arange(29, -1, -1)
    assert ops.convert_to_numpy(lif.LeakyIntegrator(leak=0.1)(x)) == pytest.approx(
        np.einsum("btu,t->bu", x, weights), abs=1e-5
    )


@pytest.mark.parametrize("reset", dynamics.RESETS)
@pytest.mark.parametrize("detach", [True, False])
def test_huge_and_zero_inputs_give_no_nan(reset, detach):
    """If this fails, one outlier in a batch turns every weight of the network into NaN."""
    signs = np.random.default_rng(0).choice([-1, 1], (4, 8, 3)).astype("float32")
    sizes = np.array(
        [1e30, 1e30, 0.0, 1.0], "float32"
    )  # one row positive, one of both signs, one silent, one usual
    signs[0] = 1
    x = signs * sizes[:, None, None]
    leaks = np.array([0.0, 0.1, 1.0], "float32")
    for floor, surrogate in some(itertools.product((0.0, None), sorted(reference.SURROGATES)), one_in=5):
        rule = dynamics.Rule(surrogates.get(surrogate), 1.0, reset, 0, floor, detach)
        outputs, gradients = run(x, leaks, np.ones_like(x), np.zeros_like(x), rule)
        assert all(np.all(np.isfinite(a)) for a in outputs), (floor, surrogate)
        assert not any(np.any(np.isnan(g)) for g in gradients), (floor, surrogate)


@pytest.mark.parametrize("reset", dynamics.RESETS)
@pytest.mark.parametrize("floor", [0.0, None])
def test_an_infinite_current_ends_with_its_step(reset, floor):
    """A gate made by multiplication turns infinity into NaN, and a neuron that is NaN once is silent for ever."""
    x = np.array([0.5, np.inf, 0.4, 0.7, -np.inf, 2.0], "float32").reshape(1, 6, 1)
    s, v = lif.LIF(leak=0.0, reset=reset, floor=floor, return_potential=True)(x)
    assert np.all(np.isfinite(ops.convert_to_numpy(v)))
    if reset == "zero":
        assert ops.convert_to_numpy(s)[0, :4, 0].tolist() == [0, 1, 0, 1]
