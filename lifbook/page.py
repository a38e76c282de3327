"""What a chapter puts on its page: numbers, figures, and where they come from.

The build (`lifbook/build`) says through three environment variables which run this is: `LIF_CHAPTER` (file stem),
`LIF_PROFILE` ("quick" or "full") and `LIF_RESULTS` (folder). Where they are unset, as on Colab, nothing is written.
"""

import base64
import html
import io
import logging
import math
import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ._files import plain
from .runs import Run, checkout, prose


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
    full = recorded()
    for name, entry in entries.items():
        for suffix, value in prose(entry).items():
            _glue(name + suffix, value)
            _glue(f"full_{name}{suffix}", full.prose(name).get(suffix, math.nan))
    _merge(entries)
    return entries


def recorded(chapter: str | None = None) -> Run:
    """The recorded full run of a chapter, `results/full/<chapter>.json`; an empty one, which is false, without it.

    A full run has no recorded run of its own chapter: it is about to replace it, and what it draws is what it computes.

    Args:
        chapter: file stem such as "04-mnist"; by default the chapter that is running.

    Raises:
        Damaged: the file does not hold a run.
    """
    running, folder = _running_chapter(), checkout()
    chapter = chapter or running
    if not chapter or folder is None or (chapter == running and _running_profile() == "full"):
        return Run()
    path = folder / "results" / "full" / f"{chapter}.json"
    return Run.read(path) if path.is_file() else Run()


def open_chapter(*datasets: Any) -> None:
    """Opens a chapter: the figures' style, a quiet TensorFlow, and the banner.

    The banner says on the page which profile and which data it was built from, and records the latter as `source`. A
    stand-in among the data sets makes `source` "stand-in" and shows a warning: no claim is judged by such a run. The
    provenance of the recorded full run, where there is one, stands below in a fold. In the book the warning opens the
    page, and the rest closes it (`lifbook/build/render.py`). The prose gets the words `this_build`.

    Args:
        *datasets: records with a `name` and a `source`; none for a chapter that needs no data.

    Raises:
        RuntimeError: the build's full profile was given a stand-in.
    """
    import matplotlib.pyplot as plt  # here, not above: the build reads results without Matplotlib

    plt.style.use("lifbook.book")
    # It warns when many models are compiled in one session, which is what comparing models takes.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    _banner(datasets)


def _banner(datasets):
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
        *datasets: the records that the numbers come from, as for `open_chapter`.
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
    svg = as_svg(fig)
    sys.modules["matplotlib.pyplot"].close(fig)
    # Lines only are turned light on dark on a dark page; a photograph is not.
    kind = "lif-figure" if b"<image" in svg else "lif-figure lif-lines"
    # A tap on the picture ticks the box. Both are for the book on a phone, whose style sheet shows the box and
    # enlarges; elsewhere it stays hidden and a tick changes nothing.
    _display(
        f'<label class="lif-sheet"><span>{image(svg, alt, kind, "max-width:100%")}</span><span style="display:none">'
        '<input type="checkbox" aria-label="enlarge the figure"> enlarge</span></label>',
        alt,
    )


def as_svg(fig: Any) -> bytes:
    """A Matplotlib figure as a vector image, the same for the same figure."""
    file = io.BytesIO()
    fig.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def image(svg: bytes, alt: str, kind: str, style: str = "") -> str:
    """An `img` element that holds its picture; `kind` is its class."""
    data = base64.b64encode(svg).decode("ascii")
    style = f' style="{style}"' if style else ""
    return f'<img class="{kind}"{style} alt="{html.escape(alt)}" src="data:image/svg+xml;base64,{data}">'


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


def _glue(name, value):
    """Keeps a value for `{glue:text}` in the prose, in the pipeline only: a plain notebook shows no computed prose.

    This is what `myst_nb.glue(name, value, display=False)` does; importing that costs three seconds a chapter.
    """
    if _shell() is not None and in_book():
        from IPython.display import display

        prefix = "application/papermill.record/"
        display(
            {f"{prefix}text/plain": repr(value)},
            raw=True,
            metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
        )


def in_book() -> bool:
    """Whether this process executes a chapter for the book, and not for a reader."""
    return all(os.environ.get(name) for name in ("LIF_CHAPTER", "LIF_PROFILE", "LIF_RESULTS"))


def _merge(entries, provenance=None):
    """Adds entries to this run's file; does nothing outside the pipeline."""
    if not in_book():
        return
    path = Path(os.environ["LIF_RESULTS"]) / os.environ["LIF_PROFILE"] / f"{os.environ['LIF_CHAPTER']}.json"
    run = Run.read(path) if path.exists() else Run()
    run.add(entries)
    run.provenance |= _environment() | (provenance or {})
    run.write(path)


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
    if _is_loaded("torch") and sys.modules["torch"].cuda.is_available():
        return sys.modules["torch"].cuda.get_device_name()
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
    if not run:
        return ""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(name.replace("_", " "))}</th>'
        f"<td>{html.escape(_fact(fact))}</td></tr>"
        for name, fact in sorted(run.provenance.items())
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
