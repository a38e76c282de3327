"""Which files of this project a chapter's code can reach: found in its imports, without running anything."""

import ast
import re


def files(code, root, packages):
    """The files that `code` may load from the packages, in alphabetical order.

    A module is reached by an import, wherever it stands; with it every package that it lies in. Another file, such as
    JavaScript or a style, is reached where a file of its folder that is reached names it, without its suffix.

    Args:
        code: Python, or a notebook's cells after one another.
        root: Folder of the packages.
        packages: Their names.
    """
    found, new = set(), _modules(code, root, packages)
    while new:
        found |= new
        texts = {path: path.read_text(encoding="utf-8") for path in new}
        new = set()
        for path, text in texts.items():
            if path.suffix == ".py":
                new |= _modules(text, root, packages, path.relative_to(root).parts[:-1])
            words = set(re.findall(r"\w+", text))
            new |= {
                other
                for other in path.parent.iterdir()
                if other.is_file() and other.suffix not in (".py", ".pyc") and other.stem in words
            }
        new -= found
    return sorted(found)


def _modules(code, root, packages, folder=()):
    """The files of the modules that Python code imports; `folder` holds it, as the parts of a package's name."""
    code = re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.MULTILINE)  # a notebook's commands
    try:
        tree = ast.parse(code)
    except SyntaxError:  # the kernel will say what is wrong; until then the code may reach anything
        return {path for package in packages for path in (root / package).rglob("*.py")}
    reached = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(folder[: len(folder) + 1 - node.level]) if node.level else []
            base += node.module.split(".") if node.module else []
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] in packages:
                paths = [root.joinpath(*name[:depth]) for depth in range(1, len(name) + 1)]
                reached |= {
                    path for each in paths for path in (each.with_suffix(".py"), each / "__init__.py")
                }
    return {path for path in reached if path.is_file()}
