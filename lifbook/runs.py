"""A chapter's run: what it measured, and where that comes from. All numbers of the book travel in this form."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._files import Damaged, dumps, write

_PARTS = ("numbers", "timings", "provenance")


@dataclass
class Run:
    """The numbers, timings and provenance of one run of a chapter. A chapter that was not run has an empty one: false.

    A number is kept as `record` writes it: a scalar; `{"mean", "sd", "n", "values"}` over seeds; or a series.

    >>> run = Run({"accuracy": {"mean": 0.6, "sd": 0.1, "n": 2, "values": [0.5, 0.7]}}, {"train_seconds": 3.0})
    >>> run.value("accuracy"), run.value("train_seconds"), run.value("loss")
    (0.6, 3.0, None)
    >>> run.prose("accuracy")
    {'': 0.6, '_sd': 0.1, '_n': 2}

    Args:
        numbers: name -> entry; what two runs on one machine share to the last digit.
        timings: name -> entry; what no two runs share.
        provenance: name -> fact: profile, data, versions, commit, machine, date.
    """

    numbers: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __bool__(self):
        return bool(self.numbers or self.timings)

    def __contains__(self, name):
        return self.entry(name) is not None

    @property
    def source(self) -> str | None:
        """What data the chapter used, "real" or "stand-in"; None where it has not said."""
        return self.numbers.get("source")

    def entry(self, name: str) -> Any:
        """What was recorded under a name, a number or a timing; None where nothing was."""
        return self.numbers.get(name, self.timings.get(name))

    def value(self, name: str) -> Any:
        """A scalar as it is, the mean over seeds, a series whole; None where nothing was recorded."""
        entry = self.entry(name)
        return prose(entry).get("", entry)

    def prose(self, name: str) -> dict[str, Any]:
        """What of an entry goes into the prose: suffix of the name -> value. A series has no prose."""
        return prose(self.entry(name))

    def add(self, entries: dict[str, Any]) -> None:
        """Adds entries, each to the numbers or the timings as its name says."""
        for name, entry in entries.items():
            (self.timings if is_timing(name) else self.numbers)[name] = entry

    def write(self, path: str | Path) -> None:
        """Writes the run's file, whole or not at all; two equal runs are equal files."""
        write(path, dumps({part: getattr(self, part) for part in _PARTS}))

    @classmethod
    def read(cls, path: str | Path) -> "Run":
        """The run in a file.

        Raises:
            Damaged: the file is none of a run.
            OSError: it cannot be read.
        """
        try:
            run = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_no_number)
            received = f"{type(run).__name__} {str(run)[:60]}"
            if isinstance(run, dict) and "numbers" in run:
                parts = [run.get(part, {}) for part in _PARTS]
                if all(isinstance(part, dict) for part in parts):
                    return cls(*parts)
        except ValueError as damage:
            received = damage
        raise Damaged(
            f"{path} must hold a run: numbers, timings and provenance, as JSON. Received: {received}"
        )


def prose(entry: Any) -> dict[str, Any]:
    """What of an entry goes into the prose: suffix of the name -> value. A series has no prose."""
    if isinstance(entry, dict) and set(entry) == {"mean", "sd", "n", "values"}:
        return {"": entry["mean"], "_sd": entry["sd"], "_n": entry["n"]}
    if isinstance(entry, (bool, int, float, str)):
        return {"": entry}
    return {}


def is_timing(name: str) -> bool:
    """Whether a name is a measured time, which no two runs share."""
    return name.startswith("seconds_") or name.endswith("_seconds")


def checkout() -> Path | None:
    """The folder with the recorded runs and the ledger: the checkout that we stand in, or that this package lies in.

    None where there is only the package, as on Colab.
    """
    for folder in (Path.cwd(), Path.cwd().parent, Path(__file__).resolve().parent.parent):
        if (folder / "results" / "claims.yml").is_file():
            return folder
    return None


def _no_number(word):
    raise ValueError(f"{word}, which is no number")
