"""The illustrations in a live JupyterLab: what the reader moves is seen in Python, and what Python sets is drawn."""

import numpy as np
import pytest

from chrome import in_a_browser
from lifbook import illustrations
from lifbook.illustrations import Credit, Encoding, Learning, Membrane, Modes

# What is seen of each: where its page keeps it, and what it should be.
SHOWN = {
    Membrane: ("exact.potential", lambda membrane: membrane.simulate()[1]),
    Credit: ("credit", lambda credit: credit.credit()),
    Modes: ("volleys.potential", lambda modes: modes.simulate()[1][0]),
    Encoding: ("regular.spikes", lambda encoding: encoding.spikes("regular").ravel()),
    Learning: ("A.probability", lambda learning: learning.answers()["A"]),
}
NAMES = [kind.__name__ for kind in SHOWN]
# The one plays a recorded run and has no leak, the other has a notebook of its own in its test.
ELSEWHERE = {"Balance", "Handwriting"}
NOTEBOOK = [
    f"from lifbook.illustrations import {', '.join(NAMES)}",
    *[f"{name.lower()} = {name}()\n{name.lower()}" for name in NAMES],
    f"all_of_them = [{', '.join(NAMES).lower()}]\n"
    "print('leaks', *[f'{each.leak:.3f}' for each in all_of_them])\n"
    "for each in all_of_them:\n    each.leak = 0.25",
]


def test_every_illustration_is_seen_in_jupyterlab():
    """If this fails, an illustration has joined the book that nobody has moved in a notebook."""
    assert set(NAMES) == set(illustrations.__all__) - ELSEWHERE


@in_a_browser
@pytest.mark.parametrize("laboratory", [NOTEBOOK], indirect=True)
def test_reader_and_python_move_the_same_parameters(notebook):
    """If this fails, a slider in a reader's notebook and the trait in Python show two states of one neuron."""
    page, editors = notebook(cells=len(NOTEBOOK) - 1, height=6200)
    stages = page.locator(".lif-stage")
    stages.nth(len(SHOWN) - 1).wait_for()
    for stage in stages.all():
        slider = stage.get_by_label("leak λ", exact=True)
        slider.press("ArrowRight")
        slider.press("ArrowRight")
    editors.nth(len(NOTEBOOK) - 1).click()
    page.keyboard.press("Shift+Enter")
    # Two steps of each slider, seen in Python.
    moved = [kind().leak + 2 * kind.leak.bounds[2] for kind in SHOWN]
    page.get_by_text(" ".join(["leaks", *[f"{leak:.3f}" for leak in moved]]), exact=True).wait_for()
    # And what Python set, seen in the page.
    page.wait_for_function(
        "[...document.querySelectorAll('.lif-stage')].every((stage) => stage.parameters.leak === 0.25)"
    )
    for stage, (kind, (path, expected)) in zip(stages.all(), SHOWN.items(), strict=True):
        assert stage.locator("input[name=leak]").input_value() == "0.25"
        drawn = stage.evaluate(
            "(stage, path) => [...path.split('.').reduce((value, name) => value[name], stage.result)]",
            path,
        )
        np.testing.assert_allclose(drawn, expected(kind(leak=0.25)), atol=1e-12)
