"""The surrogate derivatives and their names."""

import json
import pickle

import keras
import numpy as np
import pytest
from keras import ops

import lif
from lif import reference, surrogates


@pytest.mark.parametrize("name", sorted(reference.SURROGATES))
def test_formula(name):
    """If this fails, a surrogate is not the function its name and docstring say."""
    z = np.linspace(-3, 3, 601)
    assert ops.convert_to_numpy(surrogates.get(name)(ops.convert_to_tensor(z))) == pytest.approx(
        reference.SURROGATES[name](z), abs=1e-6
    )


def test_the_multi_gaussian_is_the_published_function():
    """If this fails, a neuron at rest is told the opposite of what its authors mean: numbers worked out by hand."""
    z = ops.convert_to_tensor(np.linspace(-12, 12, 24001))
    slope = ops.convert_to_numpy(surrogates.get("multi_gaussian")(z))
    peak, at_rest = slope[12000], slope[11000]
    assert peak == pytest.approx(0.8782, abs=1e-4) and slope.argmax() == 12000
    assert at_rest / peak == pytest.approx(0.10, abs=0.005)
    assert slope.min() / peak == pytest.approx(-0.04, abs=0.005)
    assert slope.sum() * 1e-3 == pytest.approx(1 - 0.15, abs=1e-3)  # (1 + h) - 2 h


@pytest.mark.parametrize("name", sorted(reference.SURROGATES))
def test_finite_for_any_float(name):
    """A sigmoid written naively gives NaN at large potentials: the most common numerical complaint of the field."""
    z = ops.convert_to_tensor(np.array([-3e38, -1e30, -1e5, 0, 1e5, 1e30, 3e38], "float32"))
    assert np.all(np.isfinite(ops.convert_to_numpy(surrogates.get(name)(z))))


def test_names_factories_objects_and_functions_are_understood():
    """If this fails, one of the documented ways to name a surrogate does not work."""
    by_name, by_factory = surrogates.get("superspike"), surrogates.get(surrogates.superspike)
    assert by_name == by_factory == surrogates.superspike(beta=10.0) != surrogates.superspike(beta=3.0)

    def own(z):
        return 0 * z + 2.0

    assert surrogates.get(own) is own


def test_unknown_names_list_the_known_ones():
    """The authors' package takes an unknown name for None and trains without a gradient; we must not."""
    with pytest.raises(ValueError, match="surrogate.*'constant'.*'superspike'.*Received.*'superspke'"):
        lif.LIF(surrogate="superspke")
    with pytest.raises(ValueError, match="beta.*> 0.*-1"):
        surrogates.superspike(beta=-1)
    with pytest.raises(TypeError, match="beta.*gamma"):
        surrogates.superspike(gamma=1)


@pytest.mark.parametrize("number", [5, np.int64(5), np.float32(5), np.float64(5)])
def test_parameters_may_be_numbers_of_numpy(number):
    """If this fails, a slope taken from an array is refused, or a model that has it cannot be saved."""
    surrogate = surrogates.superspike(beta=number)
    assert surrogate == surrogates.superspike(beta=5.0)
    assert json.dumps(surrogates.serialize(surrogate)["parameters"]) == '{"beta": 5.0}'


@pytest.mark.parametrize("value", [True, np.True_, "5", np.float32("nan"), np.inf, 0, np.zeros(1) + 5])
def test_parameters_must_be_positive_numbers(value):
    """If this fails, a gradient is scaled by what is no number, and the training fails far from the cause."""
    with pytest.raises(ValueError, match="`beta` must be a finite number > 0"):
        surrogates.superspike(beta=value)


@keras.saving.register_keras_serializable(package="test")
def box(z):
    return ops.cast(ops.abs(z) < 0.5, z.dtype)


@pytest.mark.parametrize("surrogate", ["constant", surrogates.multi_gaussian(sigma=0.3), box])
def test_a_surrogate_survives_the_config(surrogate):
    """If this fails, a loaded model trains with another surrogate than the saved one."""
    layer = lif.LIF(surrogate=surrogate)
    again = lif.LIF.from_config(layer.get_config())
    assert again.surrogate == layer.surrogate


def test_a_surrogate_is_pickled():
    """If this fails, a sweep over surrogates cannot send them to its processes."""
    surrogate = lif.surrogates.superspike(beta=3.0)
    assert pickle.loads(pickle.dumps(surrogate)) == surrogate


class _Unhashable:
    __hash__ = None

    def __call__(self, z):
        return z


@pytest.mark.parametrize("surrogate", [{}, _Unhashable()])
def test_what_is_no_surrogate_is_named(surrogate):
    """If this fails, the layer is made, and breaks where it is first called."""
    with pytest.raises(ValueError, match="Argument `surrogate`.*Received"):
        lif.LIF(surrogate=surrogate)


def test_parameters_are_given_by_name():
    """If this fails, `fast_sigmoid(25)` as other libraries write it is answered with the inside of a decorator."""
    with pytest.raises(TypeError, match=r"superspike\(beta=10.0\).*by name.*25"):
        surrogates.superspike(25)
