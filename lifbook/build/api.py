"""The reference page: `<!-- api lif.LIF -->` becomes the object's signature and its docstring as Markdown."""

import inspect
import pkgutil
import re

MARK = re.compile(r"<!-- api (\S+) -->")
SECTION = re.compile(
    r"(Args|Call arguments|Returns|Raises|Warns|Input shape|Output shape|Example|Source):\s*(.*)"
)
LISTS = ("Args", "Call arguments", "Raises", "Warns")
ITEM = re.compile(r"    (\*{0,2}\w+(?:, \*{0,2}\w+)*): (.*)")


def with_reference(text):
    """The text of a page with its marks replaced; the module is imported only where there are any."""
    return MARK.sub(lambda mark: entry(mark[1]), text)


def entry(name):
    """One object: heading, signature, description."""
    thing = pkgutil.resolve_name(name)
    arguments = [
        str(parameter.replace(annotation=inspect.Parameter.empty))
        for parameter in inspect.signature(thing).parameters.values()
        if parameter.name not in ("self", "kwargs")
    ]
    call = f"{name}({', '.join(arguments)})"
    if len(call) > 70:
        call = "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), ")"])
    return f"### `{name}`\n\n```python\n{call}\n```\n\n{as_markdown(inspect.getdoc(thing))}\n"


def as_markdown(docstring):
    """A docstring's sections and arguments as bold words and lists; its formulas are Markdown already."""
    lines, section, in_example = [], None, False
    for line in docstring.splitlines():
        if in_example != (line.strip() != "" and (in_example or line.lstrip().startswith(">>>"))):
            lines.append("```" if in_example else "```python")
            in_example = not in_example
        if in_example:
            lines.append(line)
        elif heading := SECTION.fullmatch(line):
            section = heading[1]
            lines += ["", f"**{section}.** {heading[2]}".rstrip(), *([] if heading[2] else [""])]
        elif section in LISTS and (item := ITEM.fullmatch(line)):
            lines.append(f"- `{item[1]}`: {item[2]}")
        elif section in LISTS:
            lines.append(f"  {line.strip()}".rstrip())
        else:
            lines.append(line.removeprefix("    ") if section else line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join([*lines, "```"] if in_example else lines))
