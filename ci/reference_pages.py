"""Write the reference pages that are made from the code: ``python ci/reference_pages.py``.

With ``--check`` nothing is written, and pages that differ are named.
"""

from __future__ import annotations

import sys
from pathlib import Path

from exit_codes_page import exit_codes_page
from options_page import options_page
from outputs_page import outputs_page
from presets_page import presets_page

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    "reference/options.md": options_page,
    "reference/presets.md": presets_page,
    "reference/outputs.md": outputs_page,
    "reference/exit-codes.md": exit_codes_page,
}


def differing() -> list[str]:
    """The pages that are not what the code gives."""
    return [
        name
        for name, make in PAGES.items()
        if not (DOCS / name).is_file() or (DOCS / name).read_text("utf-8") != make()
    ]


def main() -> int:
    """Write the pages, or compare them."""
    different = differing()
    if sys.argv[1:] != ["--check"]:
        for name in different:
            (DOCS / name).write_text(PAGES[name](), "utf-8")
        return 0
    for name in different:
        print(f"docs/{name}: not what the code gives; run python ci/reference_pages.py")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
