"""What the illustrations share: parameters with bounds, one JavaScript module each, and two ways onto a page."""

import json
import re
from pathlib import Path

import anywidget
import traitlets

from ..page import as_svg, image, in_book

_FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{.*\} from "\./(\w+)\.js";\n', re.MULTILINE)


def bundle(name):
    """One JavaScript module without imports, made of `<name>.js` and the modules that it imports.

    Our modules keep to two rules, so that no build tool is needed: an import is one line, `import { a, b } from
    "./file.js";`, and no two modules use the same name at their top level. Then the modules can stand one after the
    other, without their imports and exports.

    Args:
        name: Stem of a file in this folder.

    Returns:
        JavaScript that defines everything the modules define and exports nothing.
    """
    texts = {}

    def add(stem):
        if stem not in texts:
            source = (_FOLDER / f"{stem}.js").read_text(encoding="utf-8")
            for imported in _IMPORT.findall(source):
                add(imported)
            texts[stem] = re.sub(r"^export ", "", _IMPORT.sub("", source), flags=re.MULTILINE)

    add(name)
    return "\n".join(texts.values())


def esm(name):
    """The JavaScript of an illustration as an anywidget wants it."""
    return f"{bundle(name)}\nexport default {{ render }};\n"


class Number(traitlets.Float):
    """A number within bounds, which its slider in the page has too.

    Args:
        default, min, max: In the trait's unit.
        step: Of the slider; Python may set any number within the bounds.
    """

    def __init__(self, default, min, max, step):
        super().__init__(default)
        self.bounds = [min, max, step]
        self.tag(sync=True)

    def validate(self, obj, value):
        """Raises TraitError with the bounds in its message; "not a number" is in no bounds."""
        value = super().validate(obj, value)
        low, high, _ = self.bounds
        if not low <= value <= high:
            raise traitlets.TraitError(
                f"Argument `{self.name}` must be a number from {low} to {high}. Received: {self.name}={value!r}"
            )
        return value


class Whole(Number):
    """A whole number within bounds."""

    def validate(self, obj, value):
        value = super().validate(obj, value)
        if value != int(value):
            raise traitlets.TraitError(
                f"Argument `{self.name}` must be a whole number. Received: {self.name}={value!r}"
            )
        return int(value)


def choice(default, *others):
    """A trait that is one of a few words, the first by default."""
    return traitlets.Enum([default, *others], default).tag(sync=True)


class Illustration(anywidget.AnyWidget):
    """An anywidget whose module also runs in a page without a kernel.

    As the last line of a cell it shows itself: in Jupyter, Colab and VS Code as a widget whose traits follow the
    reader's hand, and while the book is built (see `lifbook.page.in_book`) as HTML with its module
    inside, which asks no kernel and no other host for anything.

    A subclass names its module in `_module` and `_esm`, has its parameters as traits, and draws its still picture. What
    its module reads beside them and never changes, such as pictures or weights, are traits named in `_fixed`.
    """

    _fixed = ("_bounds",)
    _bounds = traitlets.Dict(read_only=True).tag(sync=True)
    _css = (_FOLDER / "illustration.css").read_text(encoding="utf-8")
    _shown = 0  # pictures on this page so far: each has an address of its own

    @traitlets.default("_bounds")
    def _default_bounds(self):
        return {name: trait.bounds for name, trait in self.traits().items() if isinstance(trait, Number)}

    def parameters(self):
        """The illustration's own traits that can be set, name -> value."""
        inherited = Illustration.class_traits()
        own = {name: trait for name, trait in self.traits(sync=True).items() if name not in inherited}
        own = [name for name, trait in own.items() if not (name.startswith("_") or trait.read_only)]
        return {name: getattr(self, name) for name in own}

    def values(self):
        """What the module in the page begins with: the parameters, and what is fixed."""
        return self.parameters() | {name: getattr(self, name) for name in self._fixed}

    def picture(self):
        """A matplotlib figure of the present state, and its description in words."""
        raise NotImplementedError

    def open(self):
        """A page needs no kernel, so none is told of the widget: its state would bring a widget manager with it."""
        if not in_book():
            super().open()

    def _repr_mimebundle_(self, **kwargs):
        if not in_book():
            return super()._repr_mimebundle_(**kwargs)
        import matplotlib.pyplot as plt  # here, not above: only the book has still pictures

        with plt.style.context("lifbook.book"):
            figure, description = self.picture()
            markup = self.page(figure, description)
        plt.close(figure)
        return {"text/html": markup, "text/plain": description}, {}

    def page(self, figure, description):
        """HTML of the live illustration; the figure stands in where no program runs, and in print."""
        Illustration._shown += 1
        address = f"lif-{self._module}-{Illustration._shown}"
        values = json.dumps(self.values(), sort_keys=True)
        start = f"inPage(render, {values}, document.getElementById('{address}'));"
        program = "\n".join([bundle("page"), bundle(self._module), start])
        return (
            f'<figure class="lif-illustration" id="{address}"><style>{self._css}</style>'
            f'{image(as_svg(figure), description, "lif-figure")}<div class="lif-live"></div></figure>\n'
            f'<script type="module">\n{program}\n</script>'
        )
