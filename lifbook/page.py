"""Puts numbers and figures on the page: a number into the prose and into the results file, in one call.

The pipeline (`tools/book.py`) says through three environment variables which run this is: `LIF_CHAPTER` (file stem),
`LIF_PROFILE` ("quick" or "full") and `LIF_RESULTS` (folder). Where they are unset, as on Colab, nothing is written.
"""

import base64
import contextlib
import html
import io
import json
import math
import os
import platform
import sys
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None

import numpy as np


class Damaged(ValueError):
    """A file does not hold what it should; the message names it."""


def record(**numbers: Any) -> dict[str, Any]:
    """Records the chapter's numbers: each is glued for the prose and merged into `results/<profile>/<chapter>.json`.

    What a value becomes depends on its shape:

    - a scalar (number, bool, string) is written as it is and glued under its name;
    - a flat sequence of n numbers is one value per seed, written as `{"mean", "sd", "n", "values"}` with
      `sd = sqrt(sum((values - mean)**2) / (n - 1))` (0 for n = 1), and glued as `name`, `name_sd`, `name_n`;
    - a dict, a nested list or an array of rank >= 2 is a series for a figure: written as plain lists, not glued.

    Every glued name has a twin `full_<name>`, the same number of the recorded full run, or NaN where there is none.
    Names that begin with `seconds_` or end with `_seconds` are timings. They are kept apart from the other numbers,
    which two runs on one machine reproduce to the last digit.

    Args:
        **numbers: name = value. Finite numbers only.

    Returns:
        A dict, name -> what was written.

    Raises:
        ValueError: a number is not finite, nor are mean and sd of a sequence, a sequence is empty, two keys of a
            dict are one as strings, an entry of an array is masked, or a string or an integer is none that JSON's
            readers take.
        TypeError: a value is none of the above.

    Example:
        >>> record(accuracy=[0.5, 0.7])["accuracy"]["mean"]
        0.6
    """
    entries = {name: _entry(name, value) for name, value in numbers.items()}
    full = recorded() or {}
    for name, entry in entries.items():
        for suffix, value in prose(entry).items():
            _glue(name + suffix, value)
            known = prose(lookup(full, name))
            _glue(f"full_{name}{suffix}", known.get(suffix, math.nan))
    _merge(entries)
    return entries


def recorded(chapter: str | None = None) -> dict | None:
    """The recorded full run of a chapter, `results/full/<chapter>.json`, or None where there is none.

    A full run has no recorded run of its own chapter: it is about to replace it, and what it draws is what it computes.

    Args:
        chapter: file stem such as "04-mnist"; by default the chapter that is running.

    Returns:
        A dict with the keys `numbers`, `timings` and `provenance`.

    Raises:
        Damaged: the file does not hold a run.
    """
    running = _running_chapter()
    chapter = chapter or running
    if chapter == running and _running_profile() == "full":
        return None
    here, package = Path.cwd(), Path(__file__).resolve().parent.parent
    for folder in (here, here.parent, package) if chapter else ():
        path = folder / "results" / "full" / f"{chapter}.json"
        if path.is_file():
            return read(path)
    return None


def banner(*datasets: Any) -> None:
    """Says on the page which profile and which data it was built from, and records it as `source`.

    A stand-in among the data sets makes `source` "stand-in" and shows a warning: no claim is judged by such a run. The
    provenance of the recorded full run, where there is one, stands below in a fold. In the book the warning opens the
    page, and the rest closes it (`tools/render.py`). The prose gets the words `this_build`.

    Args:
        *datasets: records with a `name` and a `source`; none for a chapter that needs no data.

    Raises:
        RuntimeError: the pipeline's full profile was given a stand-in.
    """
    sources = {dataset.name: str(dataset.source) for dataset in datasets}
    stand_ins = [name for name, source in sources.items() if source == "stand-in"]
    if stand_ins and os.environ.get("LIF_PROFILE") == "full":
        raise RuntimeError(
            f"a full run needs the real data; only a stand-in was found for {', '.join(stand_ins)}"
        )
    _merge({"source": "stand-in" if stand_ins else "real"}, {"data": sources})
    _glue("this_build", this_build(*datasets))
    if stand_ins:
        text = (
            f"Stand-in data: the real {', '.join(stand_ins)} data could not be found, so this page was computed on a "
            "stand-in. Its numbers say nothing about the real data, and no claim is judged by them."
        )
        _display(_box(text, warning=True), text)
    text = f"Profile: {_running_profile()}. Data: {_listed(sources) or 'none needed'}."
    _display(_box(text, warning=False) + _provenance_fold(recorded()), text)


def this_build(*datasets: Any) -> str:
    """What a figure or a table calls numbers of this build: it says so if they were computed on stand-in data.

    >>> from types import SimpleNamespace
    >>> this_build(SimpleNamespace(name="mnist", source="stand-in"))
    'this build, stand-in data'

    Args:
        *datasets: the records that the numbers come from, as for `banner`.
    """
    stand_ins = any(dataset.source == "stand-in" for dataset in datasets)
    return "this build, stand-in data" if stand_ins else "this build"


def figure(fig: Any, alt: str) -> None:
    """Shows a Matplotlib figure as a vector image with an alternative text, and closes it.

    Coloured words that would stand out too little from the figure's ground become darker.

    Args:
        fig: the `matplotlib.figure.Figure`.
        alt: what a reader who cannot see the figure should know: what is plotted, and what it shows.

    Raises:
        ValueError: `alt` is empty.
    """
    if not alt.strip():
        raise ValueError(f"alt must describe the figure in words, received {alt!r}")
    _darken_words(fig)
    file = io.BytesIO()
    fig.savefig(file, format="svg", metadata={"Date": None})
    sys.modules["matplotlib.pyplot"].close(fig)
    svg = file.getvalue()
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
    # Lines only are turned light on dark on a dark page; a photograph is not.
    kind = "lif-figure" if b"<image" in svg else "lif-figure lif-lines"
    # A tap on the picture ticks the box. Both are for the book on a phone, whose style sheet shows the box and
    # enlarges; elsewhere it stays hidden and a tick changes nothing.
    _display(
        f'<label class="lif-sheet"><span><img class="{kind}" style="max-width:100%" alt="{html.escape(alt)}" '
        f'src="{source}"></span><span style="display:none"><input type="checkbox" aria-label="enlarge the figure"> '
        "enlarge</span></label>",
        alt,
    )


def _darken_words(fig):
    """Gives words a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3). White ones stand on something dark and stay."""
    from matplotlib.colors import to_rgb  # here, not above: the build reads results without Matplotlib
    from matplotlib.text import Text

    fig.draw_without_rendering()  # the labels of ticks are made late
    ground = _luminance(np.array(to_rgb(fig.get_facecolor())))
    for text in fig.findobj(Text):
        color = np.array(to_rgb(text.get_color()))
        while color.min() < 1 and (ground + 0.05) / (_luminance(color) + 0.05) < 4.5:
            color *= 0.97
        text.set_color(tuple(color.tolist()))


def _luminance(rgb):
    """Relative luminance of an sRGB colour, 0 to 1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def lookup(run, name):
    """The entry `name` of a run's numbers or timings, or None."""
    run = run or {}
    return run.get("numbers", {}).get(name, run.get("timings", {}).get(name))


def prose(entry):
    """What of an entry goes into the prose: a dict, suffix of the name -> value. A series has no prose."""
    if isinstance(entry, dict) and set(entry) == {"mean", "sd", "n", "values"}:
        return {"": entry["mean"], "_sd": entry["sd"], "_n": entry["n"]}
    if isinstance(entry, (bool, int, float, str)):
        return {"": entry}
    return {}


def is_timing(name):
    """Whether a name is a measured time, which no two runs share."""
    return name.startswith("seconds_") or name.endswith("_seconds")


@contextlib.contextmanager
def whole(path):
    """The name of a file to be written, which takes the place of `path` when it is whole, and not before."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        if error.errno and not error.filename:  # a full disk
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def write(path, text):
    """Writes a text file whole or not at all."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def alone(path):
    """Has other processes that want to make the same file wait, where the system can lock files.

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


def read(path):
    """The run in a file: a dict with the keys `numbers`, `timings` and `provenance`.

    Raises:
        Damaged: the file is none of a run.
        OSError: it cannot be read.
    """
    empty = {"numbers": {}, "timings": {}, "provenance": {}}
    try:
        run = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_no_number)
        received = f"{type(run).__name__} {str(run)[:60]}"
        if (
            isinstance(run, dict)
            and all(isinstance(run.get(part, {}), dict) for part in empty)
            and "numbers" in run
        ):
            return empty | run
    except ValueError as damage:
        received = damage
    raise Damaged(f"{path} must hold a run: numbers, timings and provenance, as JSON. Received: {received}")


def _no_number(word):
    raise ValueError(f"{word}, which is no number")


def dumps(run):
    """A run as the text of its file: sorted, so that two equal runs are equal files."""
    return json.dumps(run, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def _entry(name, value):
    entry = plain(name, value)
    if isinstance(entry, (bool, int, float, str, dict)):
        return entry
    if not isinstance(entry, list):
        raise TypeError(f"{name} must be a number, a string, a sequence or a dict, received {value!r}")
    if not entry:
        raise ValueError(f"{name} must hold at least one value, received an empty sequence")
    if not all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in entry):
        return entry
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.array(entry, dtype=float)
            mean, sd = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0
    except OverflowError:  # an integer larger than every float
        mean = sd = math.inf
    if not (math.isfinite(mean) and math.isfinite(sd)):
        raise ValueError(f"{name} must have a finite mean and sd, received {value!r}")
    return {"mean": mean, "sd": sd, "n": len(entry), "values": entry}


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


def _glue(name, value):
    """Keeps a value for `{glue:text}` in the prose, in the pipeline only: a plain notebook shows no computed prose.

    This is what `myst_nb.glue(name, value, display=False)` does; importing that costs three seconds a chapter.
    """
    if _shell() is not None and _in_pipeline():
        from IPython.display import display

        prefix = "application/papermill.record/"
        display(
            {f"{prefix}text/plain": repr(value)},
            raw=True,
            metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
        )


def _in_pipeline():
    return all(os.environ.get(name) for name in ("LIF_CHAPTER", "LIF_PROFILE", "LIF_RESULTS"))


def _merge(entries, provenance=None):
    """Adds entries to this run's file; does nothing outside the pipeline."""
    if not _in_pipeline():
        return
    path = Path(os.environ["LIF_RESULTS"]) / os.environ["LIF_PROFILE"] / f"{os.environ['LIF_CHAPTER']}.json"
    run = read(path) if path.exists() else {"numbers": {}, "timings": {}, "provenance": {}}
    for name, entry in entries.items():
        run["timings" if is_timing(name) else "numbers"][name] = entry
    run["provenance"].update(_environment(), **(provenance or {}))
    write(path, dumps(run))


def _environment():
    """Profile and versions of this kernel. The pipeline adds commit, lock, machine, date and seconds."""
    loaded = {
        name: sys.modules[name].__version__
        for name in ("keras", "tensorflow", "jax", "torch")
        if _is_loaded(name)
    }
    if "keras" in loaded:
        loaded["backend"] = sys.modules["keras"].backend.backend()
    return {
        "profile": _running_profile(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "accelerator": _accelerator(),
        **loaded,
    }


def _accelerator():
    """The name of the graphics processor the backend computes on, or "none"."""
    if _is_loaded("tensorflow"):
        config = sys.modules["tensorflow"].config
        for device in config.list_physical_devices("GPU")[:1]:
            return config.experimental.get_device_details(device).get("device_name", "unknown")
    if _is_loaded("jax") and sys.modules["jax"].default_backend() == "gpu":
        return sys.modules["jax"].devices()[0].device_kind
    return "none"


def _is_loaded(name):
    return hasattr(sys.modules.get(name), "__version__")


def _running_chapter():
    # Jupyter names the notebook of a kernel in JPY_SESSION_NAME.
    return os.environ.get("LIF_CHAPTER") or Path(os.environ.get("JPY_SESSION_NAME", "")).stem


def _running_profile():
    if os.environ.get("LIF_PROFILE"):
        return os.environ["LIF_PROFILE"]
    return str(_shell().user_ns.get("profile", "none")) if _shell() else "none"


def _shell():
    """The notebook's shell, or None in a plain Python program."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _listed(sources):
    return ", ".join(f"{name} ({source})" for name, source in sources.items())


def _box(text, warning):
    # Inline style and translucent colours: the same in the book, Jupyter and Colab, light and dark.
    colour = "#d55e00" if warning else "#0072b2"
    style = f"border-left:.3rem solid {colour};background:{colour}1f;padding:.5rem .8rem;margin:.5rem 0"
    label = "<strong>Warning.</strong> " if warning else ""
    return f'<div class="lif-banner" role="note" style="{style}">{label}{html.escape(text)}</div>'


def _provenance_fold(run):
    if run is None:
        return ""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(name.replace("_", " "))}</th>'
        f"<td>{html.escape(_fact(fact))}</td></tr>"
        for name, fact in sorted(run["provenance"].items())
    )
    summary = "<summary>The recorded full run: where its numbers come from</summary>"
    return f"<details>{summary}<table>{rows}</table></details>"


def _fact(value):
    if isinstance(value, dict):
        return _listed(value) or "none needed"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _display(markup, text):
    if _shell() is not None:
        from IPython.display import display

        display({"text/html": markup, "text/plain": text}, raw=True)
