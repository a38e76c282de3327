"""The files of the data sets: what they are, where they may lie, and how they are fetched.

A file is verified wherever it comes from. A download goes on where an earlier one stopped, and one process at a time
makes it.
"""

import dataclasses
import gzip
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path

from .._files import file_lock
from ..progress import progress

_TIMEOUT = 5  # seconds without an answer, so that a machine without a network finds out soon
_CHUNK = 1 << 18
_LARGEST = 1 << 30  # bytes; the largest file has a third of it
_MINUTE, _SLOWEST = 60, 1000  # a host that has sent fewer bytes per second after a minute is given up


class DataUnavailable(Exception):
    """No place has the file; the message says the URL, the checksum and the folder to put it in."""


class ChecksumError(ValueError):
    """A data file is not the published one."""


@dataclasses.dataclass(frozen=True)
class File:
    """A published file.

    `sha256` is that of the file, or with `of_content` that of what is inside the .gz, whose header may differ
    between distributors. `folders` are the sub-folders it may lie in, the first of them names its folder in
    the cache.
    """

    name: str
    sha256: str
    urls: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    system_folder: str = ""
    of_content: bool = False

    def digest(self, path):
        """SHA-256 of the file at `path`, or what keeps it from having one."""
        sha = hashlib.sha256()
        try:
            with (gzip.open if self.of_content else open)(path, "rb") as file:
                while chunk := file.read(_CHUNK):
                    sha.update(chunk)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            return f"no valid gzip file ({error})"
        return sha.hexdigest()


def _idx_files(hosts, checksums, **options):
    stems = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    names = [stem + "-ubyte.gz" for stem in stems]
    return tuple(
        File(name, sha256, tuple(host + name for host in hosts), **options)
        for name, sha256 in zip(names, checksums, strict=True)
    )


MNIST = _idx_files(
    (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    folders=("mnist",),
)

# Of the decompressed files: Debian's .gz differ from the official ones in their header.
FASHION_MNIST = _idx_files(
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    folders=("fashion_mnist", "fashion-mnist"),
    system_folder="/usr/share/datasets/fashion-mnist",
    of_content=True,
)


CIFAR10 = File(
    "cifar-10-binary.tar.gz",  # the edition without pickles
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    folders=("cifar10",),
)

_OXFORD = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
FLOWERS_ARCHIVE, FLOWER_LABELS, FLOWER_SPLIT = (
    File(name, sha256, (_OXFORD + name,), folders=("flowers102", "flowers"))
    for name, sha256 in (
        ("102flowers.tgz", "2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246"),
        ("imagelabels.mat", "4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d"),
        ("setid.mat", "46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd"),
    )
)

# Two collections that are only ever found in LIF_DATA.
FLOWERS_SMALL = File(  # the photographs of 102flowers.tgz with a short side of 128 pixels
    "102flowers_short128_q85.tar",
    "1f8bf2e85dbfb5e8e36307a0998dad627a9ecef16decf053c20b1cca1d2a9550",
    folders=("flowers102", "flowers"),
)
IRIS_PHOTOS = File(
    "iris_images_421_256px.tar",
    "f333da1c70f59ac2635ff5dcde51cf86c09145ad4716c5f8e9a8c7947b69a3c6",
    folders=("iris_photos",),
)


def data_folder():
    """The folder of `LIF_DATA`, or `None`."""
    value = os.environ.get("LIF_DATA")
    if not value:
        return None
    folder = os.path.expanduser(value)
    if not os.path.isdir(folder):
        raise ValueError(
            f"LIF_DATA must name a folder with data sets. Received: LIF_DATA={value!r}, which is none"
        )
    return Path(folder)


def cache_folder():
    """The folder where downloads stay: `LIF_CACHE`, else `lif-book` in the user's cache."""
    chosen = os.environ.get("LIF_CACHE")
    folder = os.path.expanduser(chosen or os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    if folder.startswith("~"):
        raise ValueError(f"LIF_CACHE must name a folder: this is the home of nobody. Received: {folder!r}")
    return Path(folder) if chosen else Path(folder) / "lif-book"


def locate(file):
    """Finds or downloads a file, verified; returns its path and the name of the place."""
    if path := in_data_folder(file):
        return path, "LIF_DATA"
    if file.system_folder:
        path = Path(file.system_folder) / file.name
        if os.path.isfile(path):
            return _verified(file, path), "Debian package"
    path = cache_folder() / file.folders[0] / file.name
    if file.urls and os.path.isfile(path):  # also of a name that is too long
        return _verified(file, path), "official archive"
    return _download(file, path), "official archive"


def in_data_folder(file):
    """Path of the file in the folder of `LIF_DATA`, verified, or `None`."""
    data = data_folder()
    for folder in (*file.folders, ".") if data else ():
        path = data / folder / file.name
        # The official names of MNIST and Fashion-MNIST are the same: directly in LIF_DATA may lie the other.
        if path.is_file() and not (folder == "." and _is_another_file(file, path)):
            return _verified(file, path)
    return None


def _verified(file, path):
    received = file.digest(path)
    if received != file.sha256:
        content = "the content of " if file.of_content else ""
        raise ChecksumError(
            f"{path} is not the published file; delete or replace it. "
            f"Expected: SHA-256 of {content}{file.name} {file.sha256}. Received: {received}"
        )
    return path


def _is_another_file(file, path):
    namesakes = (other for other in MNIST + FASHION_MNIST if other.name == file.name and other != file)
    return any(other.digest(path) == other.sha256 for other in namesakes)


def _download(file, target):
    """Downloads a file to `target`, from the first host that has it.

    The bytes gather in `target` + ".part", which a later call continues; only a verified file gets the final
    name.
    """
    part = target.with_name(target.name + ".part")
    offline = os.environ.get("LIF_OFFLINE") == "1"
    reasons = ["LIF_OFFLINE=1 forbids downloads"] if offline else []
    if offline or not file.urls:
        raise DataUnavailable(_how_to_get(file, target, reasons))
    with file_lock(target):
        if os.path.isfile(target):  # another process has downloaded it in the meantime
            return _verified(file, target)
        for url in file.urls:
            pace = _Pace()
            while True:
                before = _size(part)
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _fetch(url, part, pace)
                except _Unfit as error:
                    part.unlink(missing_ok=True)
                    reasons.append(f"{url}: {error}")
                    break
                except (OSError, http.client.HTTPException, ValueError) as error:
                    if _size(part) > before and not isinstance(error, _TooSlow):
                        continue  # the connection broke on the way: go on from there
                    reasons.append(f"{url}: {error}")
                    break
                received = file.digest(part)
                if received == file.sha256:
                    os.replace(part, target)
                    return target
                part.unlink()
                if not before:
                    reasons.append(f"{url}: SHA-256 is {received}")
                    break  # else the old part was bad: once more from the start
    raise DataUnavailable(_how_to_get(file, target, reasons))


class _TooSlow(OSError):
    """What the host has sent is kept, and the next one may go on from there."""


class _Pace:
    """Keeps count of what a host sends, and gives it up if that is next to nothing."""

    def __init__(self):
        self.begun, self.sent = time.monotonic(), 0

    def add(self, count):
        self.sent += count
        seconds = time.monotonic() - self.begun
        if seconds > _MINUTE and self.sent < _SLOWEST * seconds:
            raise _TooSlow(f"sent no more than {self.sent:,} bytes in {seconds:.0f} seconds")


class _Unfit(Exception):
    """What the host sends can be none of the files."""


def _size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def _fetch(url, part, pace):
    """Appends to `part` what it lacks; raises an `OSError` if the connection ends before the file does."""
    start = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:
            return  # nothing is left to send
        raise
    with response:
        if response.status != 206:  # the host does not resume: it sends the whole file
            start = 0
        length = response.headers.get("Content-Length") or ""
        total = start + int(length) if length.isdecimal() else None
        with (
            open(part, "r+b" if part.exists() else "wb") as out,
            progress(total=total, initial=start, unit="B", unit_scale=True, desc=part.stem) as bar,
        ):
            out.seek(start)
            while chunk := response.read1(_CHUNK):
                out.write(chunk)
                bar.update(len(chunk))
                pace.add(len(chunk))
                if max(out.tell(), total or 0) > _LARGEST:
                    raise _Unfit(f"sends more than {_LARGEST:,} bytes, which no data set has")
            if total is not None and out.tell() < total:
                raise ConnectionError(f"connection lost after {out.tell()} of {total} bytes")
            out.truncate()  # only now: where a host does not resume, what lies beyond may be of use to the next


def _how_to_get(file, target, reasons):
    data = os.environ.get("LIF_DATA")
    data_folder = Path(data or "the folder of LIF_DATA") / file.folders[0]
    return "\n".join(
        [
            f"{file.name} is not in the folder of LIF_DATA ({data or 'not set'}), not in the cache, "
            "and could not be downloaded:",
            *(f"  {reason}" for reason in reasons or ["it has no official host"]),
            "To supply it by hand:",
            f"  URL: {file.urls[0] if file.urls else 'none'}",
            f"  checksum: SHA-256{' of the decompressed file' if file.of_content else ''} {file.sha256}",
            f"  folder: {f'{target.parent} or ' if file.urls else ''}{data_folder}",
        ]
    )
