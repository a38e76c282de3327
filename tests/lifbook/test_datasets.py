"""Loaders: where files are looked for, what is done with wrong ones, downloads that break, and the real data."""

import contextlib
import gzip
import hashlib
import http.server
import io
import os
import re
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lifbook import _files, datasets
from lifbook.build.project import ROOT
from lifbook.datasets import ChecksumError, DataUnavailable, drawings, files, formats, loaders
from lifbook.datasets.files import File
from patience import HANG

BODY = np.random.default_rng(0).bytes(100_000)
REAL = os.environ.get("LIF_DATA")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def here(path):
    """Whether the real data of the folder `LIF_DATA` include this file."""
    found = bool(REAL) and (Path(REAL) / path).is_file()
    return pytest.mark.skipif(not found, reason=f"LIF_DATA has no {path}")


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """An empty LIF_DATA folder and an empty cache, and no system folders; returns the two paths."""
    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    monkeypatch.setenv("LIF_DATA", str(data))
    monkeypatch.setenv("LIF_CACHE", str(cache))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("LIF_OFFLINE", raising=False)
    monkeypatch.setattr(files, "_TIMEOUT", HANG)  # a busy machine's host may think for longer
    return data, cache


@pytest.fixture
def real_data(monkeypatch):
    monkeypatch.setenv("LIF_DATA", REAL)
    monkeypatch.setenv("LIF_OFFLINE", "1")


class Host:
    """A web server on this machine.

    `break_after`: bytes sent before it hangs up, once for each entry. `pause`: seconds before each twentieth.
    `length`: what it says instead of the length. `before_piece`: called with the path before each twentieth.
    """

    def __init__(self):
        self.files, self.requests, self.break_after, self.resumes = {}, [], [], True
        self.pause, self.length, self.before_piece = 0, {}, None
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked = self.headers.get("Range")
                host.requests.append((self.path, asked))
                body = host.files.get(self.path)
                if body is None:
                    return self.send_error(404)
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and host.resumes else 0
                if start >= len(body):
                    return self.send_error(416)
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", host.length.get(self.path, str(len(body) - start)))
                self.end_headers()
                end = start + host.break_after.pop(0) if host.break_after else None
                sent = body[start:end]
                step = len(body) // 20 if host.pause or host.before_piece else len(body)
                for piece in range(0, len(sent), step):
                    time.sleep(host.pause)
                    if host.before_piece:
                        host.before_piece(self.path)
                    self.wfile.write(sent[piece : piece + step])

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # of a client that has heard enough
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"


@pytest.fixture
def host():
    host = Host()
    yield host
    host.server.shutdown()
    host.server.server_close()


@pytest.fixture
def file(host):
    host.files["/thing.bin"] = BODY
    return File("thing.bin", sha256(BODY), (host.url("/thing.bin"),), ("things",))


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


# -- the order of look-up ------------------------------------------------------------------------------------


def test_order_is_data_folder_then_system_then_cache_then_host(file, host, places, tmp_path):
    data, cache = places
    system = tmp_path / "system"
    file = File(file.name, file.sha256, file.urls, file.folders, system_folder=str(system))
    path, source = files.locate(file)
    assert (path, source) == (cache / "things/thing.bin", "official archive") and len(host.requests) == 1
    assert files.locate(file) == (path, source) and len(host.requests) == 1, "the cache is not used"
    for folder, source in ((system, "Debian package"), (data, "LIF_DATA"), (data / "things", "LIF_DATA")):
        folder.mkdir(exist_ok=True)
        (folder / "thing.bin").write_bytes(BODY)
        assert files.locate(file) == (folder / "thing.bin", source)
    assert len(host.requests) == 1


@pytest.mark.parametrize("place", ["data", "cache"])
def test_a_wrong_file_is_an_error_and_not_passed_over(place, file, host, places):
    path = places[0 if place == "data" else 1] / "things" / "thing.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not what was published")
    with pytest.raises(ChecksumError) as error:
        files.locate(file)
    for part in (
        str(path),
        f"Expected: SHA-256 of thing.bin {file.sha256}",
        sha256(b"not what was published"),
    ):
        assert part in str(error.value)
    assert isinstance(error.value, ValueError)
    assert host.requests == [] and path.exists(), "a user's file must stay as it is"


def test_gzip_files_may_differ_in_their_header_and_not_in_their_content(places):
    data, _ = places
    file = File("a.gz", sha256(BODY), (), ("a",), of_content=True)
    for header_time in (1, 2):
        (data / "a.gz").write_bytes(gzip.compress(BODY, mtime=header_time))
        assert files.locate(file)[1] == "LIF_DATA"
    for wrong in (gzip.compress(BODY + b"!"), gzip.compress(BODY)[:-100], b"no gzip at all"):
        (data / "a.gz").write_bytes(wrong)
        with pytest.raises(ChecksumError, match="SHA-256 of the content of a.gz"):
            files.locate(file)


def test_a_data_folder_that_is_none_is_an_error(monkeypatch, file):
    monkeypatch.setenv("LIF_DATA", "/no/such/folder")
    with pytest.raises(ValueError, match="LIF_DATA must name a folder.*'/no/such/folder'"):
        files.locate(file)


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("LIF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / "lif-book"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / ".cache" / "lif-book"


# -- downloads -----------------------------------------------------------------------------------------------


def test_a_broken_download_goes_on_where_it_broke(file, host):
    host.break_after = [30_000, 30_000]
    path, _ = files.locate(file)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in host.requests] == [None, "bytes=30000-", "bytes=60000-"]


def test_a_later_call_resumes_what_an_interrupted_one_left(file, host, places):
    part = places[1] / "things" / "thing.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY[:70_000])
    assert files.locate(file)[0].read_bytes() == BODY
    assert [asked for _, asked in host.requests] == ["bytes=70000-"]
    assert files_in(places[1]) == ["thing.bin"], "the part is still there"


def test_a_host_that_does_not_resume_sends_all_once(file, host, places):
    host.resumes = False
    part = places[1] / "things" / "thing.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY[:70_000])
    assert files.locate(file)[0].read_bytes() == BODY
    assert len(host.requests) == 1


@pytest.mark.parametrize("left", [b"x" * 500, b"x" * len(BODY), b"x" * (len(BODY) + 9)])
@pytest.mark.parametrize("resumes", [True, False])
def test_a_bad_part_is_thrown_away(file, host, places, left, resumes):
    host.resumes = resumes
    part = places[1] / "things" / "thing.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    assert files.locate(file)[0].read_bytes() == BODY
    assert files_in(places[1]) == ["thing.bin"]


def test_the_next_mirror_is_tried(file, host):
    host.files["/wrong.bin"] = b"something else"
    urls = (host.url("/missing.bin"), "http://127.0.0.1:9/refused.bin", host.url("/wrong.bin"), *file.urls)
    path, _ = files.locate(File(file.name, file.sha256, urls, file.folders))
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("length", ["banana", "-5", "", "1e5"])
def test_a_length_that_is_no_number_does_no_harm(file, host, length):
    """If this fails, a host with a broken head ends the program, and neither mirror nor stand-in is tried."""
    host.length["/thing.bin"] = length
    assert files.locate(file)[0].read_bytes() == BODY


@pytest.mark.parametrize("hangs_up", [False, True])
def test_a_host_that_drips_is_given_up_for_the_next(file, host, places, monkeypatch, hangs_up):
    """If this fails, a download may take years, and every other chapter waits for it without a word."""
    clock = [0]
    monkeypatch.setattr(files.time, "monotonic", lambda: clock[0])

    def slowly(path):
        if path == "/slow.bin":
            clock[0] += 50

    host.files["/slow.bin"], host.before_piece = BODY, slowly
    monkeypatch.setattr(files, "_SLOWEST", 1000)  # of 5,000 bytes in 50 seconds
    host.break_after = [5_000] * 4 if hangs_up else []
    urls = (host.url("/slow.bin"), *file.urls)
    assert files.locate(File(file.name, file.sha256, urls, file.folders))[0].read_bytes() == BODY
    path, asked = host.requests[-1]
    assert path == "/thing.bin" and asked is not None, "what the slow one sent was thrown away"
    assert 60 < clock[0] < 1000


@pytest.mark.parametrize("says", [True, False])
def test_a_host_that_sends_too_much_is_given_up_for_the_next(file, host, places, monkeypatch, says):
    """If this fails, a host that sends without end fills the disk."""
    monkeypatch.setattr(files, "_LARGEST", len(BODY))
    host.files["/endless.bin"] = b"x" * 40 * len(BODY)
    if not says:
        host.length["/endless.bin"] = "unknown"
    urls = (host.url("/endless.bin"), *file.urls)
    assert files.locate(File(file.name, file.sha256, urls, file.folders))[0].read_bytes() == BODY
    monkeypatch.setattr(files, "_LARGEST", 10)
    with pytest.raises(DataUnavailable, match="sends more than 10 bytes, which no data set has"):
        files.locate(File("other.bin", file.sha256, file.urls, file.folders))
    assert files_in(places[1]) == ["thing.bin"]


def test_a_host_that_does_not_resume_and_breaks_costs_nothing(file, host, places):
    """If this fails, each failing attempt throws away what the one before had fetched."""
    host.resumes, host.break_after = False, [20_000]
    part = places[1] / "things" / "thing.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY[:70_000])
    with pytest.raises(DataUnavailable, match="connection lost after 20000 of 100000 bytes"):
        files.locate(file)
    assert part.read_bytes() == BODY[:70_000]


@pytest.mark.parametrize("value", ["x" * 5000, "~nosuchuser"])
@pytest.mark.parametrize("name", ["LIF_DATA", "LIF_CACHE"])
def test_a_folder_that_can_be_none_is_named(file, host, monkeypatch, name, value):
    """If this fails, a slip in a variable is answered by an error that does not say which, or makes a folder `~x`."""
    monkeypatch.setenv(name, value)
    with pytest.raises((ValueError, DataUnavailable), match=f"{name} must name|File name too long"):
        files.locate(file)


def test_a_wrong_download_leaves_nothing(file, host, places):
    host.files["/thing.bin"] = b"<html>captive portal</html>"
    with pytest.raises(DataUnavailable, match=f"SHA-256 is {sha256(host.files['/thing.bin'])}"):
        files.locate(file)
    assert files_in(places[1]) == []


def test_only_a_whole_file_gets_its_name(file, host, places, monkeypatch):
    names = []
    digest = File.digest
    monkeypatch.setattr(File, "digest", lambda *args: names.append(files_in(places[1])) or digest(*args))
    files.locate(file)
    assert names == [["thing.bin.part"]], "the file had its name before it was verified"


def test_an_interrupted_download_keeps_its_part_only(file, host, places, monkeypatch):
    monkeypatch.setattr(files, "_CHUNK", 10_000)

    class Stop(io.FileIO):
        def write(self, data):
            if self.tell() >= 40_000:
                raise KeyboardInterrupt
            return super().write(data)

    monkeypatch.setattr(files, "open", lambda path, mode: Stop(path, mode), raising=False)
    with pytest.raises(KeyboardInterrupt):
        files.locate(file)
    assert files_in(places[1]) == ["thing.bin.part"]


LOCATE_WHEN_TOLD = """
import sys
from lifbook.datasets import files
files._TIMEOUT = 3600
print("ready", flush=True)
input()
print(files.locate(files.File("thing.bin", sys.argv[1], (sys.argv[2],), ("things",)))[0])
"""


@pytest.mark.skipif(_files.fcntl is None, reason="no locks of files here")
@pytest.mark.parametrize("left", [0, 30_000])
@pytest.mark.parametrize("resumes", [True, False])
def test_processes_that_want_the_same_file_download_it_once(file, host, places, resumes, left):
    """If this fails, chapters built at the same time take each other's half of a download away, and one dies."""
    host.resumes, host.pause = resumes, 0.05
    target = places[1] / "things" / "thing.bin"
    target.parent.mkdir(parents=True)
    if left:
        target.with_name("thing.bin.part").write_bytes(BODY[:left])
    command = [sys.executable, "-c", LOCATE_WHEN_TOLD, file.sha256, *file.urls]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    processes = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(2)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=HANG) for process in processes]
    assert [out for out, _ in said] == [f"{target}\n"] * 2, said
    assert target.read_bytes() == BODY and files_in(places[1]) == ["thing.bin"]
    assert len(host.requests) == 1


def test_data_unavailable_says_what_to_do(places, monkeypatch):
    data, cache = places
    monkeypatch.setenv("LIF_OFFLINE", "1")
    with pytest.raises(DataUnavailable) as error:
        datasets.mnist()
    for part in (
        "LIF_OFFLINE=1",
        "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        str(cache / "mnist"),
        str(data / "mnist"),
    ):
        assert part in str(error.value)


def test_offline_asks_no_host(file, host, monkeypatch):
    monkeypatch.setenv("LIF_OFFLINE", "1")
    with pytest.raises(DataUnavailable):
        files.locate(file)
    assert host.requests == []


def test_a_cache_that_cannot_be_written_is_a_reason(file, tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("LIF_CACHE", str(tmp_path / "a file" / "cache"))
    with pytest.raises(DataUnavailable, match="a file"):
        files.locate(file)


# -- formats, with small files made here ---------------------------------------------------------------------


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return gzip.compress(header + array.tobytes())


@pytest.fixture
def small_mnist(monkeypatch):
    """Four small files in the format of MNIST take the place of the published ones; returns arrays and bytes."""
    rng = np.random.default_rng(1)
    arrays = [rng.integers(0, 256, (6, 28, 28)), rng.integers(0, 10, 6)]
    arrays += [rng.integers(0, 256, (4, 28, 28)), rng.integers(0, 10, 4)]
    arrays = [array.astype("uint8") for array in arrays]
    packed = [idx(array) for array in arrays]
    small = tuple(
        File(file.name, sha256(p), (), ("mnist",)) for file, p in zip(files.MNIST, packed, strict=True)
    )
    for module in (files, loaders):
        monkeypatch.setattr(module, "MNIST", small)
    return arrays, {file.name: p for file, p in zip(small, packed, strict=True)}


@pytest.mark.parametrize("folder", [".", "mnist"])
def test_idx_files_are_read(small_mnist, places, folder):
    arrays, packed = small_mnist
    (places[0] / folder).mkdir(exist_ok=True)
    for name, content in packed.items():
        (places[0] / folder / name).write_bytes(content)
    data = datasets.mnist(stand_in=True)
    for got, expected in zip((data.x_train, data.y_train, data.x_test, data.y_test), arrays, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert (data.source, data.is_stand_in, data.y_train.dtype) == ("LIF_DATA", False, np.int32)


def test_mnist_directly_in_the_folder_is_not_taken_for_fashion_mnist(small_mnist, places, monkeypatch):
    monkeypatch.setenv("LIF_OFFLINE", "1")
    fashion = tuple(File(f.name, f.sha256, (), f.folders, "", True) for f in files.FASHION_MNIST)
    for module in (files, loaders):
        monkeypatch.setattr(module, "FASHION_MNIST", fashion)
    for name, content in small_mnist[1].items():
        (places[0] / name).write_bytes(content)
    with pytest.raises(DataUnavailable):
        datasets.fashion_mnist()


def picture(colour, size=(40, 30)):
    from PIL import Image

    out = io.BytesIO()
    image = Image.new("RGB", size, colour)
    for i in range(size[0]):  # stripes, so that pictures of one colour differ in their hash
        if (i * colour[0] // 40) % 2:
            image.paste((0, 0, 0), (i, 0, i + 1, size[1]))
    image.save(out, "PNG")
    return out.getvalue()


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def test_members_that_point_outside_an_archive_are_harmless(tmp_path, places):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    path = folder / "flowers.tar"
    white = picture((255, 255, 255))
    write_tar(
        path,
        [
            ("../../evil.txt", b"out"),
            ("/tmp/lif-evil.txt", b"out"),
            ("jpg/image_00001.jpg", None),
            ("../image_00001.jpg", white),
            ("jpg/image_00002.jpg", picture((200, 0, 0))),
        ],
    )
    before = files_in(tmp_path)
    x = formats.read_flowers(path, np.array([1, 0]), 16)
    assert x.shape == (2, 16, 16, 3) and x[0, ..., 1].max() == 0, "rows are not in the order asked for"
    assert files_in(tmp_path) == before and not Path("/tmp/lif-evil.txt").exists()


def test_pictures_are_cropped_to_the_centre():
    from PIL import Image

    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    square = formats._square(Image.fromarray(wide), 10)
    assert square.shape == (10, 10, 3) and square.min() == 255


def test_iris_photos_drops_contradictions_and_keeps_duplicates_together(places, monkeypatch):
    members = [(f"./iris-setosa/{i}.jpg", picture((40 + 30 * i, 9, 0))) for i in range(5)]
    members += [(f"./iris-versicolour/{i}.jpg", picture((45 + 30 * i, 9, 200))) for i in range(5)]
    members += [
        ("./iris-versicolour/again.jpg", members[5][1]),
        ("./iris-virginica/wrong.jpg", members[0][1]),
    ]
    members += [("../iris-virginica/up.jpg", picture((255, 0, 255))), ("readme.txt", b"no picture")]
    members += [("./iris-setosa/link.jpg", None)]
    path = places[0] / "iris_images_421_256px.tar"
    write_tar(path, members)
    file = File(path.name, sha256(path.read_bytes()), (), ("iris_photos",))
    monkeypatch.setattr(loaders, "IRIS_PHOTOS", file)
    x, y, hashes = formats.read_iris_photos(path, 16)
    assert len(x) == 13
    monkeypatch.setattr(
        loaders, "_groups", lambda hashes, at_most: np.unique(hashes, axis=0, return_inverse=True)[1]
    )
    for seed in range(10):
        data = datasets.iris_photos(size=16, seed=seed, test_fraction=0.5)
        y = np.concatenate([data.y_train, data.y_test])
        assert np.bincount(y).tolist() == [4, 6, 1], "the picture of two species is not left out"
        train, test = ({p.tobytes() for p in x} for x in (data.x_train, data.x_test))
        blue = np.concatenate([data.x_train, data.x_test])[..., 2].max(axis=(1, 2))
        np.testing.assert_array_equal(blue > 100, y > 0, "classes and pictures do not belong together")
        assert not train & test, "a picture and its double are on both sides"
        assert len(data.groups_train) == len(data.y_train)


def test_groups_are_chains_of_near_neighbours():
    line = np.tril(np.ones((6, 64), bool), -1)  # each row one bit from the next
    far = ~line[:1]
    groups = loaders._groups(np.concatenate([line[::-1], far]), at_most=1)
    assert len(set(groups[:6])) == 1 and groups[6] not in groups[:6]


def test_cifar10_from_the_official_format(tmp_path):
    rng = np.random.default_rng(2)
    names = [f"cifar-10-batches-bin/data_batch_{i}.bin" for i in (3, 1, 2, 5, 4)]
    records = {name: rng.integers(0, 10, (2, 3073), "uint8") for name in names}
    records["cifar-10-batches-bin/test_batch.bin"] = rng.integers(0, 10, (3, 3073), "uint8")
    write_tar(tmp_path / "c.tar", [(name, r.tobytes()) for name, r in records.items()] + [("a.html", b"")])
    x_train, y_train, x_test, y_test = formats.read_cifar10(tmp_path / "c.tar")
    first = records["cifar-10-batches-bin/data_batch_1.bin"][0]
    assert x_train.shape == (10, 32, 32, 3) and x_test.shape == (3, 32, 32, 3) and len(y_test) == 3
    assert y_train[0] == first[0], "the batches are out of order"
    assert x_train[0, 5, 7].tolist() == [first[1 + c * 1024 + 5 * 32 + 7] for c in range(3)]


def test_cifar10_npz_is_checked(places):
    arrays = dict.fromkeys(("x_train", "x_test"), np.zeros((3, 32, 32, 3), "uint8"))
    arrays |= dict.fromkeys(("y_train", "y_test"), np.zeros(3, "uint8"))
    np.savez(places[0] / "cifar10.npz", **arrays)
    with pytest.raises(ChecksumError, match="cifar10.npz is not CIFAR-10"):
        datasets.cifar10(stand_in=True)


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


ARRAYS = {name: np.zeros((5, 4, 4, 3), "uint8") for name in ("x_train", "y_train", "x_test", "y_test")}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        npz(**ARRAYS)[:900],
        npz(x=np.zeros(3)),
        npz(**ARRAYS | {"x_train": np.zeros(3, "uint8")}),
        npz(**ARRAYS | {"x_train": np.array("text"), "y_test": np.array(["text"])}),
    ],
    ids=["empty", "junk", "truncated", "names", "ranks", "text"],
)
def test_a_cifar10_npz_that_is_damaged_is_named(places, content):
    """If this fails, who has a broken file reads `BadZipFile` or `KeyError`, and not which file it is."""
    (places[0] / "cifar10.npz").write_bytes(content)
    with pytest.raises(ChecksumError, match="cifar10.npz is not CIFAR-10. Expected: .* Received: "):
        datasets.cifar10()


def test_labels_of_cifar10_npz_may_stand_in_a_column_and_not_be_negative(places, monkeypatch):
    """If this fails, the file that Keras' own loader leads to is refused, or wrong labels are an unnamed error."""
    arrays = {"x_train": np.full((50_000, 32, 32, 3), (125, 122, 113), "uint8")}
    for channel, share in enumerate((0.31, 0.96, 0.86)):  # to the published means
        arrays["x_train"][: int(50_000 * share), ..., channel] += 1
    arrays |= {"x_test": np.zeros((10_000, 32, 32, 3), "uint8")}
    arrays |= {"y_train": np.arange(50_000)[:, None] % 10, "y_test": np.arange(10_000)[:, None] % 10}
    monkeypatch.setattr(np, "load", lambda *args, **kwargs: contextlib.nullcontext(arrays))
    (places[0] / "cifar10.npz").write_bytes(b"")
    data = datasets.cifar10()
    assert data.y_train.shape == (50_000,) and data.y_test.tolist() == list(range(10)) * 1000
    arrays["y_test"] = arrays["y_test"] - 1
    with pytest.raises(ChecksumError, match="cifar10.npz is not CIFAR-10.*each class from 0 to 9"):
        datasets.cifar10()


def test_arrays_with_objects_are_never_unpickled(places):
    np.savez(places[0] / "cifar10.npz", x_train=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        datasets.cifar10()


# -- tables, splits and stand-ins ----------------------------------------------------------------------------


@pytest.mark.parametrize("load, shape, n", [(datasets.iris, (4,), 150), (datasets.digits, (8, 8), 1797)])
def test_splits_are_stratified_whole_and_chosen_by_the_seed(load, shape, n):
    data, again, other = load(), load(seed=0), load(seed=1)
    assert data.x_train.shape[1:] == shape and len(data.x_train) + len(data.x_test) == n
    assert len(data.x_test) == pytest.approx(0.2 * n, abs=2)
    shares = np.bincount(data.y_test) / np.bincount(np.concatenate([data.y_train, data.y_test]))
    np.testing.assert_allclose(shares, 0.2, atol=0.005)
    np.testing.assert_array_equal(data.x_test, again.x_test)
    assert not np.array_equal(data.x_test, other.x_test), "the seed is ignored"
    assert np.any(np.diff(data.y_train) < 0), (
        "rows are sorted by class: a validation split would miss classes"
    )
    assert data.source == "scikit-learn" and not data.is_stand_in


def test_iris_and_digits_are_the_published_tables():
    from sklearn.datasets import load_digits, load_iris

    data = datasets.iris()
    x = np.concatenate([data.x_train, data.x_test])
    np.testing.assert_allclose(np.sort(x, axis=0), np.sort(load_iris().data, axis=0), rtol=1e-6)
    assert data.class_names == ("setosa", "versicolor", "virginica") and x.dtype == np.float32
    data = datasets.digits()
    x = np.concatenate([data.x_train, data.x_test])
    assert x.dtype == np.uint8 and x.max() == 255
    levels = np.bincount(load_digits().images.astype(int).ravel())
    np.testing.assert_array_equal(np.bincount(np.rint(x / 255 * 16).astype(int).ravel()), levels)


@pytest.mark.parametrize("test_fraction", [0, 1, -0.2, 1.5, float("nan")])
def test_a_bad_test_fraction_is_named(test_fraction):
    with pytest.raises(
        ValueError, match="`test_fraction` must be a finite number in .0, 1.. Received: test_fraction="
    ):
        datasets.iris(test_fraction=test_fraction)


@pytest.mark.parametrize("test_fraction", [1e-9, 0.999, "half"])
def test_a_split_without_one_side_is_refused(test_fraction):
    """If this fails, a network is trained or tested on no example at all."""
    with pytest.raises(ValueError, match=f"`test_fraction` must .*Received: test_fraction={test_fraction!r}"):
        datasets.iris(test_fraction=test_fraction)


@pytest.mark.parametrize("seed", [1.5, -1, None, "0"])
def test_a_bad_seed_is_named(seed):
    """If this fails, the error is NumPy's, or two calls with the same arguments split differently."""
    with pytest.raises(ValueError, match=f"`seed` must be an integer >= 0. Received: seed={seed!r}"):
        datasets.iris(seed=seed)


@pytest.mark.parametrize("arguments", [{"classes": 2.0}, {"classes": np.array([2, 3])}, {"size": 16.0}])
def test_arguments_of_flowers_that_are_no_integers_are_named(arguments):
    """If this fails, the user reads that a float cannot be interpreted as an integer, and not which one."""
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=re.escape(f"Received: {name}={value!r}")):
        datasets.flowers(**arguments, stand_in=True)


@pytest.mark.parametrize("arguments", [{"classes": 1}, {"classes": 16}, {"size": 129}, {"size": 0}])
def test_bad_arguments_of_flowers_are_named(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}={value}"):
        datasets.flowers(**arguments)


@pytest.mark.parametrize(
    "load, shape",
    [
        (datasets.mnist, (28, 28)),
        (datasets.fashion_mnist, (28, 28)),
        (datasets.cifar10, (32, 32, 3)),
        (lambda **kwargs: datasets.flowers(classes=3, size=32, **kwargs), (32, 32, 3)),
        (lambda **kwargs: datasets.iris_photos(size=32, **kwargs), (32, 32, 3)),
    ],
    ids=["mnist", "fashion_mnist", "cifar10", "flowers", "iris_photos"],
)
def test_stand_ins_look_like_the_data_and_can_be_learnt(load, shape, monkeypatch):
    monkeypatch.setenv("LIF_OFFLINE", "1")
    # Debian's folder may hold the real data.
    only_there = tuple(File(f.name, f.sha256, f.urls, f.folders) for f in files.FASHION_MNIST)
    monkeypatch.setattr(loaders, "FASHION_MNIST", only_there)
    with pytest.raises(DataUnavailable):
        load()
    data = load(stand_in=True)
    assert data.source == "stand-in" and data.is_stand_in
    assert data.x_train.shape[1:] == data.x_test.shape[1:] == shape and data.x_train.dtype == np.uint8
    classes = len(data.class_names)
    assert set(data.y_train) == set(data.y_test) == set(range(classes))
    assert not {p.tobytes() for p in data.x_train} & {p.tobytes() for p in data.x_test}
    # Class means, the simplest classifier there is, must beat guessing by half, and not be perfect on ten classes.
    x, z = (a.reshape(len(a), -1).astype("float32") for a in (data.x_train, data.x_test))
    means = np.stack([x[data.y_train == label].mean(axis=0) for label in range(classes)])
    guess = ((z[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)
    accuracy = np.mean(guess == data.y_test)
    assert accuracy > 1.5 / classes
    assert classes < 10 or accuracy < 0.98


@pytest.mark.parametrize(
    "draw", [drawings.garment, drawings.thing, lambda c, rng: drawings.flower(c, 20, rng)]
)
def test_drawings_repeat_and_vary(draw):
    one, two = (loaders._drawn("x", draw, "abcdefghij", (1, 1)) for _ in range(2))
    np.testing.assert_array_equal(one.x_train, two.x_train, "two calls differ")
    assert not np.any([np.array_equal(a, b) for a, b in zip(one.x_train, one.x_test, strict=True)])


@pytest.mark.parametrize(
    ("load", "missing", "package"),
    [
        (datasets.iris, "sklearn.datasets", "scikit-learn"),
        (datasets.digits, "sklearn.datasets", "scikit-learn"),
        (datasets.flowers, "scipy.io", "scipy"),
        (lambda: formats.read_flowers("the archive", [0], 8), "PIL.Image", "pillow"),
        (datasets.iris_photos, "PIL.Image", "pillow"),
    ],
)
def test_a_missing_package_is_named_with_the_way_to_get_it(load, missing, package, monkeypatch):
    """If this fails, who has the layers alone reads `No module named 'sklearn'`, and must guess what to install."""
    monkeypatch.setattr(loaders, "locate", lambda file: (Path(file.name), "LIF_DATA"))
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"needs the package {package}: pip install {package} .*chapters"):
        load()


def test_import_is_cheap():
    """If this fails, who only asks where the data are waits for Keras, or needs packages that he has no use for."""
    code = (
        "import sys, lifbook.datasets\n"
        "print([name for name in ('sklearn', 'scipy', 'PIL', 'tqdm', 'keras') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# -- the real data -------------------------------------------------------------------------------------------


@here("mnist/train-images-idx3-ubyte.gz")
def test_real_mnist(real_data):
    data = datasets.mnist()
    assert data.source == "LIF_DATA" and data.x_train.shape == (60_000, 28, 28) and len(data.x_test) == 10_000
    assert data.x_train.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert data.x_train.std() / 255 == pytest.approx(0.3081, abs=5e-5)
    assert np.bincount(data.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz").is_file(),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
def test_real_fashion_mnist():
    data = datasets.fashion_mnist()
    assert data.source == "Debian package"
    assert data.x_train.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    assert np.bincount(data.y_train).tolist() == [6000] * 10


@here("flowers102/102flowers_short128_q85.tar")
def test_real_flowers_in_the_authors_setting(real_data):
    data = datasets.flowers(classes=2, size=16)
    assert data.x_train.shape == (200, 16, 16, 3) and data.x_test.shape == (40, 16, 16, 3)
    assert data.class_names == ("petunia", "passion flower"), "not the largest classes"
    assert data.y_test[:6].tolist() == data.y_train[:6].tolist() == [0, 1, 0, 1, 0, 1]


@here("iris_photos/iris_images_421_256px.tar")
def test_real_iris_photos(real_data):
    data = datasets.iris_photos(size=16)
    # 421 files less 16 photographs filed under two species, twice each
    y = np.concatenate([data.y_train, data.y_test])
    assert np.bincount(y).tolist() == [67 - 1, 269 - 16, 85 - 15]
    assert len(data.y_test) == pytest.approx(0.2 * len(y), abs=3)
    assert len(set(data.groups_train)) < len(data.groups_train)
