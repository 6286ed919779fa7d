"""Check links without a network: ``python ci/links.py``.

mkdocs checks links within docs/. Here those of other Markdown files are looked up in the work
tree, and addresses of all of them are checked for their form; nothing is fetched.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"\]\(([^)\s]+(?:\([^)\s]*\)[^)\s]*)*)(?:\s+\"[^\"]*\")?\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_DOI = re.compile(r"/10\.\d{4,9}/\S*[\w)>]")


def links(text: str) -> Iterator[str]:
    """The targets of the links of a page, but for those in code."""
    yield from (found[1] for found in _LINK.finditer(_CODE.sub("", text)))


def wrong(target: str) -> str:
    """What is wrong with an address; empty where nothing is."""
    parts = urlparse(target)
    if parts.scheme != "https":
        return "https:// is expected"
    if not re.fullmatch(r"(?:[a-z0-9-]+\.)+[a-z]{2,}", parts.netloc):
        return "this is no host"
    if parts.netloc == "doi.org" and not _DOI.fullmatch(parts.path):
        return "this is no DOI"
    return ""


def problems(page: Path, within: bool) -> Iterator[str]:
    """What is wrong with the links of a page; files are looked up if it is `within` the tree."""
    for target in links(page.read_text("utf-8")):
        where = f"{os.path.relpath(page, ROOT)}: {target}"
        if re.match(r"[a-z]+:", target):
            told = wrong(target)
            if told:
                yield f"{where}: {told}"
        elif within and not (page.parent / target.partition("#")[0]).exists():
            yield f"{where}: there is no such file"


def main() -> int:
    """Check all pages; 1 if anything is wrong."""
    outside = sorted(ROOT.glob("*.md"))
    inside = sorted((ROOT / "docs").rglob("*.md"))
    found = [told for page in outside for told in problems(page, within=True)]
    found += [told for page in inside for told in problems(page, within=False)]
    print("\n".join(found), end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
