"""How to cite the book, for its first page: made from CITATION.cff and LICENSE-TEXT, so that nothing is typed twice."""

import re

from .._files import read_yaml
from .project import ROOT, config

MARK = "<!-- citation -->"


def how_to_cite():
    """A reference, a BibTeX entry, and the licences."""
    facts = read_yaml(ROOT / "CITATION.cff")
    authors = [author["name"] for author in facts["authors"]]
    year, home = config()["copyright"], facts["repository-code"]
    address = re.search(
        r"https://creativecommons\.org/licenses/(\S+)/(\S+)/", (ROOT / "LICENSE-TEXT").read_text()
    )
    text_licence = f"CC {address[1].upper()} {address[2]}"
    return f"""\
{", ".join(authors)} ({year}). *{facts["title"]}*, version {facts["version"]}. <{home}>

```bibtex
@{facts["type"]}{{{home.rsplit("/", 1)[1]},
  author  = {{{" and ".join(f"{{{name}}}" for name in authors)}}},
  title   = {{{facts["title"]}}},
  year    = {{{year}}},
  version = {{{facts["version"]}}},
  url     = {{{home}}},
}}
```

Code, that in the chapters included, is under the [{facts["license"]} licence]({home}/blob/main/LICENSE);
text and figures are under [{text_licence}]({address[0]})."""
