"""Files that are whole or not there, locks, YAML, and values in JSON."""

import contextlib
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None

import numpy as np


class Damaged(ValueError):
    """A file does not hold what it should; the message names it."""


@contextlib.contextmanager
def atomic_write(path):
    """Yields a temporary path beside `path`, a file's or a folder's, which replaces `path` if the block succeeds."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        if part.is_dir():  # unlike a file, it cannot take the place of one that is not empty
            shutil.rmtree(path, ignore_errors=True)
        os.replace(part, path)
    except OSError as error:
        if error.errno and not error.filename:  # a full disk
            error.filename = str(path)
        raise
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)


def write(path, text):
    """Writes a text file whole or not at all, and its folder if there is none."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def read_yaml(path):
    """Returns what a YAML file holds; each key of a mapping must be its own.

    Raises:
        Damaged: It is no YAML, or names a key twice.
        ImportError: PyYAML is missing (`pip install pyyaml`).
    """
    try:
        import yaml  # comes with the book's packages, not with the module's own
    except ModuleNotFoundError:
        raise ImportError(f"to read {path} takes the package PyYAML: pip install pyyaml") from None

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            mapping = super().construct_mapping(node, deep)
            if len(mapping) < len(node.value):  # YAML would keep the last
                line = node.start_mark.line + 1
                raise Damaged(
                    f"{path} must name each key of an entry once, received one twice from line {line}"
                )
            return mapping

    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), Loader)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise Damaged(f"{path} must be YAML in UTF-8. Received: {error}") from error


@contextlib.contextmanager
def file_lock(path):
    """Lets one process at a time make the file `path`, where the system can lock files.

    Yields the name of the file that is locked, which stays behind.
    """
    path = Path(path)
    name = path.with_name(path.name + ".lock")
    with contextlib.ExitStack() as stack:
        if fcntl:
            # A folder that cannot be written is reported by who writes into it.
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                fcntl.flock(stack.enter_context(open(name, "w")), fcntl.LOCK_EX)
        yield name


def dumps(value: Any) -> str:
    """JSON text: sorted, so that two equal values are equal files."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def plain(name: str, value: Any, finite: bool = True) -> Any:
    """The value in JSON's own types, every number in it finite.

    With `finite=False` NaN and infinities, which JSON lacks, become `{"float": "nan"}` and the like: see `restored`.
    """
    if isinstance(value, dict):
        if len(set(map(str, value))) < len(value):
            raise ValueError(f"{name} must have keys that differ as strings, received {list(value)}")
        return {plain(name, str(key)): plain(name, item, finite) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(name, item, finite) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        if np.ma.is_masked(value):  # a list would have None there
            raise ValueError(
                f"{name} must have no masked entries: fill them or leave them out. Received: {value!r}"
            )
        return plain(name, value.tolist(), finite)
    if isinstance(value, float) and not math.isfinite(value):
        if finite:
            raise ValueError(f"{name} must be finite, received {value}")
        return {"float": str(float(value))}
    if isinstance(value, (int, str)):
        try:
            str(value).encode()
        except ValueError as error:  # half of a surrogate pair, or thousands of digits
            raise ValueError(f"{name} must be what JSON's readers take. Received: {error}") from None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "__array__"):  # a backend's tensor
        return plain(name, np.asarray(value), finite)
    raise TypeError(f"{name} must be a number, a string, a sequence or a dict, received {value!r}")


def restored(text):
    """What the text of a file holds, with the numbers that `plain(..., finite=False)` wrote as words."""
    words = [{"float": word} for word in ("nan", "inf", "-inf")]
    return json.loads(text, object_hook=lambda entry: float(entry["float"]) if entry in words else entry)
