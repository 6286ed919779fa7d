"""The reference page of all options; ``ci/reference_pages.py`` writes it."""

from __future__ import annotations

from bids_labelx.app.options import grouped_options
from bids_labelx.settings.entry import Option


def options_page() -> str:
    """The documentation's page of all options."""
    lines = [
        "# Options",
        "",
        "Each option is accepted with hyphens or underscores. `…` stands for several values; an",
        "option that takes several may be repeated, and its values add up. In a `settings.toml`,",
        "which `--config-file` reads, options are called as here, with underscores and without",
        "the dashes. `bids_labelx check OUTPUT_DIR` says what a folder holds, what failed and",
        "what to do next.",
    ]
    for heading, options in grouped_options().items():
        lines += ["", f"## {heading or 'arguments'}", "", "| option | level | what it does |"]
        lines += ["|---|---|---|"]
        lines += [_row(one) for one in options]
    changing = [f"`{o.shown}`" for rows in grouped_options().values() for o in rows if o.content]
    lines += [
        "",
        "## Changed contents",
        "",
        "These change the contents of files and not their names: " + ", ".join(changing) + ".",
        "An invocation that would change existing files is refused, with the settings that",
        "differ; `--overwrite` replaces the files.",
    ]
    return "\n".join(lines) + "\n"


def _row(one: Option) -> str:
    names = one.names
    if one.flag and one.default is None:
        names.append(one.shown.replace("--", "--no-"))
    if not one.flag and one.group is not None:
        names[-1] += f" {one.placeholder}{'…' * (one.many and not one.count)}"
    cells = (", ".join(f"`{name}`" for name in names), one.level, one.description)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
