"""What Sphinx does besides: numbers that do not break, a search without folded code, the words of a preview."""

import re
from html import escape
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode, depart_HideCellInput
from sphinx.search import IndexBuilder
from sphinx.transforms.post_transforms import SphinxPostTransform

UNITS = r"%|points?\b|[munpk]?s\b|ms\b|[mµ]?V\b|[k]?Hz\b|[npµm]?J\b|[kMG]B\b|KB\b"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
CODE = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.comment)


def setup(app):
    """Registers all of it, as Sphinx asks of an extension."""
    app.add_post_transform(WholeNumbers)
    app.add_node(HideCodeCellNode, override=True, html=(visit_fold, depart_HideCellInput))
    app.add_node(nodes.entry, override=True, html=(visit_entry, depart_entry))
    app.connect("config-inited", add_templates)
    app.connect("html-page-context", describe)
    IndexBuilder._word_collector = without_folds(IndexBuilder._word_collector)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def whole_numbers(text, after=False):
    """A text in which no line breaks inside a number: at its ±, before its unit, in its power of ten.

    Args:
        text: a string.
        after: whether something stands before the text, such as a number that the chapter computed.
    """
    begins = r"(?<=[\d⁰¹²³⁴⁵⁶⁷⁸⁹])" + ("|^" if after else "")
    text = re.sub(r"\b(\d+(?:\.\d+)?)e([+-])0*(\d+)\b", _power, text)
    text = re.sub(rf"({begins}) ±", "\u00a0±", text)
    text = re.sub(r"± (?=[\d−-]|$)", "±\u00a0", text)
    return re.sub(rf"({begins}) (?={UNITS})", "\u00a0", text)


def _power(match):
    digits, exponent = match[1], match[2].replace("+", "") + match[3]
    return "0" if float(digits) == 0 else f"{digits}\u00a0×\u00a010{exponent.translate(SUPERSCRIPT)}"


class WholeNumbers(SphinxPostTransform):
    """`whole_numbers` in all prose, after the numbers have been put in."""

    default_priority = 900

    def run(self, **_):
        for parent in list(self.document.findall(nodes.TextElement)):
            for position, child in enumerate(parent.children):
                if isinstance(child, nodes.Text) and not isinstance(parent, CODE):
                    parent[position] = nodes.Text(whole_numbers(str(child), after=position > 0))


def visit_fold(translator, node):
    """The bar over folded code. Its name is what it says; the original names each "Toggle hidden content"."""
    translator.body.append(
        f'<details class="admonition hide {" ".join(node["classes"])}"><summary>'
        f'<p class="collapsed admonition-title">{escape(node["prompt_show"])}</p>'
        f'<p class="expanded admonition-title">{escape(node["prompt_hide"])}</p></summary>'
    )


def visit_entry(translator, node):
    """A cell of a table. An empty corner is no header: a screen reader would announce one without a name."""
    type(translator).visit_entry(translator, node)
    if isinstance(node.parent.parent, nodes.thead) and not node.astext():
        translator.body[-1] = translator.body[-1].replace("<th", "<td", 1)
        translator.context[-1] = translator.context[-1].replace("th>", "td>")


def depart_entry(translator, node):
    """The end of a table's cell."""
    type(translator).depart_entry(translator, node)


def without_folds(collect):
    """The search's collector of words, kept from code that is folded away: nobody looks for an import."""

    def collect_prose(builder, doctree):
        prose = doctree.deepcopy()
        for fold in list(prose.findall(HideCodeCellNode)):
            fold.parent.remove(fold)
        return collect(builder, prose)

    return collect_prose


def add_templates(app, config):
    """Has the theme take this folder's templates before its own."""
    config.templates_path.insert(0, str(Path(__file__).with_name("templates")))


def describe(app, pagename, templatename, context, doctree):
    """Gives the page the words and the picture with which other sites and search engines present it."""
    if doctree is None:
        return
    title = doctree.next_node(nodes.title).astext()
    words = summary(doctree) or title
    address = site(app.config.html_theme_options["repository_url"])
    picture = f"{address}_static/preview/{Path(pagename).name}.png"
    properties = {
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:title": title,
        "og:description": words,
        "og:url": f"{address}{pagename}.html",
        "og:image": picture,
        "og:image:alt": f"{title}, above a membrane potential that rises to its threshold and spikes",
    }
    tags = [f'<meta name="description" content="{escape(words)}">']
    tags += [f'<meta property="{name}" content="{escape(content)}">' for name, content in properties.items()]
    tags.append('<meta name="twitter:card" content="summary_large_image">')
    context["metatags"] = "\n".join([context.get("metatags", ""), *tags])


def summary(doctree, limit=200):
    """The first thing that a chapter teaches; else its first paragraph, of a line or more if there is one; else ""."""
    listed = [
        item.astext() for box in doctree.findall(nodes.Admonition) for item in box.findall(nodes.list_item)
    ]
    prose = [node.astext() for node in doctree.findall(nodes.paragraph)]
    words = " ".join(next(iter([*listed, *(text for text in prose if len(text) > 90), *prose]), "").split())
    return words if len(words) <= limit else f"{words[:limit].rsplit(' ', 1)[0]} …"


def site(repository):
    """Where a repository's pages are published: GitHub's rule."""
    owner, name = repository.removeprefix("https://github.com/").split("/")
    return f"https://{owner}.github.io/{name}/"
