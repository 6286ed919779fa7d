"""The methods text: what was done for the results that are there, for a paper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment

from bids_labelx.denoise import Strategy, preset_names, read_strategies
from bids_labelx.errors import LabelxError
from bids_labelx.measures.connectivity import MEASURES
from bids_labelx.outputs.description import CODE_URL
from bids_labelx.report.accounts import Account, Ranges
from bids_labelx.report.citations import (
    Methods,
    Reference,
    cite,
    cite_by_name,
    known_citations,
    make_methods,
    read_bibliography,
    unmarked,
)
from bids_labelx.report.denoising_words import censoring_in_words, regressors_in_words, span
from bids_labelx.report.pages import render_template
from bids_labelx.settings import make_settings
from bids_labelx.words import counted, enumerated

# Libraries whose versions are told, as they are called, with their references.
_LIBRARIES = {
    "python": ("Python", ()),
    "numpy": ("NumPy", ("numpy",)),
    "scipy": ("SciPy", ("scipy",)),
    "nibabel": ("NiBabel", ()),
    "pandas": ("pandas", ()),
    "scikit-learn": ("scikit-learn", ()),
}
_DOI = re.compile(r"10\.\d{4,9}/[^\s\"<>]+[^\s\"<>.,;)]", re.IGNORECASE)


def methods_of(accounts: Iterable[Account], templates: Environment | None = None) -> Methods:
    """Write the methods text of results with all that it cites.

    Parameters
    ----------
    accounts
        Where there are several, each has a heading.
    templates
        See `bids_labelx.report.pages.render_template`.
    """
    told = [_without_marks(one) for one in accounts]
    bibliography = read_bibliography()
    paragraphs: list[str] = []
    for account in told:
        bibliography |= {software_key(account.version): software_reference(account.version)}
        for name, description in account.described.items():
            bibliography |= _own_reference(name, description, bibliography)
    for account in told:
        if len(told) > 1:
            paragraphs.append(_heading(account))
        try:
            text = _account_text(account, templates)
        except LabelxError as error:
            # Results stay where the version that made them has gone.
            text = unmarked(
                f"bids_labelx {account.version} had settings that this version lacks: {error}"
            )
        paragraphs += as_paragraphs(text)
    return make_methods(paragraphs or ["No results are there yet."], bibliography)


def as_paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, each in one line."""
    return [" ".join(one.split()) for one in re.split(r"\n\s*\n", text) if one.strip()]


def software_key(version: str) -> str:
    """The key of the reference for a version of this software."""
    return f"bids_labelx-{re.sub(r'[^A-Za-z0-9.]', '-', version)}"


def software_reference(version: str) -> Reference:
    """How this software is cited."""
    return {
        "type": "misc",
        "author": "{The bids_labelx developers}",
        "title": "bids_labelx: a BIDS App for regional time series",
        "note": f"Version {version}",
        "url": CODE_URL,
    }


def software_in_words(versions: Mapping[str, Sequence[str]]) -> str:
    """The libraries with their versions and references, in a sentence; empty without any."""
    parts = []
    for name, (called, keys) in _LIBRARIES.items():
        if name in versions:
            source = f" {cite(*keys)}" if keys else ""
            parts.append(f"{called} {' or '.join(versions[name])}{source}")
    return f"Numbers were computed with {enumerated(parts)}." if parts else ""


def _without_marks(account: Account) -> Account:
    """The account without control characters in the names and texts of other people."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return unmarked(value)
        if isinstance(value, dict):
            return {unmarked(str(key)): clean(one) for key, one in value.items()}
        return [clean(one) for one in value] if isinstance(value, (list, tuple)) else value

    return Account(**{name: clean(value) for name, value in asdict(account).items()})


def _producers(account: Account) -> list[str]:
    """The programs that made what was read, each once, with their references."""
    names = dict.fromkeys(
        name for names in _met(account, "PreprocessedBy") for name in names or ()
    )
    return [_with_citations(name, known_citations("program", name)) for name in names]


def _with_citations(name: str, keys: Sequence[str]) -> str:
    return f"{name} {cite(*keys)}" if keys else name


def _met(account: Account, fact: str) -> list[Any]:
    """The values of a fact that were met, each once."""
    found: list[Any] = []
    for facts in account.done.values():
        found += [value for value in facts.get(fact, ()) if value not in found]
    return found


def _heading(account: Account) -> str:
    what = enumerated(list(account.strategies))
    return f"Results of {what} with {enumerated(account.options.get('statistic', ['mean']))}:"


def _by_kind(account: Account) -> dict[str, list[str]]:
    """The names of atlases with their references, by what they are made of."""
    found: dict[str, list[str]] = {"labels": [], "maps": [], "spheres": []}
    bibliography = read_bibliography()
    for name in account.atlases:
        keys = _atlas_citations(name, account.described.get(name, {}), bibliography)
        found[account.made_of.get(name, "labels")].append(_with_citations(name, keys))
    return found


def _atlas_citations(
    name: str, description: Mapping[str, Any], bibliography: Mapping[str, Reference]
) -> list[str]:
    """Keys of the references for an atlas: those of its description come before known ones."""
    own = _own_reference(name, description, bibliography)
    if own:
        return list(own)
    dois = {doi.lower() for doi in _dois(description)}
    found = [key for key, one in bibliography.items() if one.get("doi", "").lower() in dois]
    return found or list(known_citations("atlas", name))


def _dois(description: Mapping[str, Any]) -> list[str]:
    texts = [description.get("DatasetDOI"), *_listed(description, "ReferencesAndLinks")]
    return [doi for text in texts if text for doi in _DOI.findall(text)]


def _listed(description: Mapping[str, Any], name: str) -> list[str]:
    value = description.get(name, [])
    return [value] if isinstance(value, str) else list(value)


def _own_reference(
    name: str, description: Mapping[str, Any], bibliography: Mapping[str, Reference]
) -> dict[str, Reference]:
    """A reference made of the description of an atlas, by its key.

    None where the description does not say whom to cite, or names a paper of the bibliography.
    """
    authors, links = (_listed(description, one) for one in ("Authors", "ReferencesAndLinks"))
    dois = _dois(description)
    known = {one.get("doi", "").lower() for one in bibliography.values()}
    if not (authors or links or dois) or any(doi.lower() in known for doi in dois):
        return {}
    title = str(description.get("Name", name))
    made: dict[str, Any] = {
        "type": "misc",
        "author": " and ".join(f"{{{one}}}" for one in authors or [f"{name} atlas"]),
        "title": title,
    }
    if links:
        made["note"] = "; ".join(links)
    if len(dois) == 1 and not links:
        made["doi"] = dois[0]
    return {f"atlas-{re.sub(r'[^A-Za-z0-9]', '-', name)}": made}


def _coverage(account: Account) -> list[str]:
    """Of each atlas how many labels are missing, and how well the others are covered."""
    said = []
    for name in account.atlases:
        found = account.coverage.get(name, {})
        if "Labels" not in found or "Missing" not in found:
            continue
        what = {"maps": "map", "spheres": "sphere"}.get(account.made_of.get(name, ""), "label")
        total = int(found["Labels"][1])
        none = found["Missing"][1] == 0
        lacking = "none was" if none else f"{span(found['Missing'])} were"
        text = f"Of the {counted(total, what)} of {name}, {lacking} missing in a run"
        if "MeanCoverage" in found:
            shares = [100 * share for share in found["MeanCoverage"]]
            text += f"; the mean coverage was {span(shares, '.0f')} %"
        said.append(f"{text}.")
    return said


def _repetition_time(account: Account) -> str:
    ranges = [one["RepetitionTime"] for one in account.ranges.values() if "RepetitionTime" in one]
    if not ranges:
        return ""
    low, high = min(one[0] for one in ranges), max(one[1] for one in ranges)
    return f"The repetition time was {span([low, high])} s."


def _changed(strategy: Strategy) -> bool:
    """Whether a strategy is not as the preset of its name is now."""
    if strategy.name not in preset_names():
        return True
    (preset,) = read_strategies([strategy.name])
    now, then = (
        json.loads(json.dumps([one.confounds, one.volumes, one.clean]))
        for one in (preset, strategy)
    )
    return bool(now != then)


def _account_text(account: Account, templates: Environment | None) -> str:
    level = {"bids_dir": "in", "output_dir": "out", "analysis_level": "participant"}
    settings = make_settings({**level, "atlas": ["unnamed"], **account.options})
    fields = ("name", "description", "confounds", "volumes", "clean", "source", "images")
    made = (
        Strategy(**{k: one[k] for k in fields if k in one}) for one in account.strategies.values()
    )
    strategies = [replace(one, source="") if _changed(one) else one for one in made]
    empty: Ranges = {}
    return render_template(
        "methods.md",
        version=account.version,
        templates=templates,
        settings=settings,
        **_by_kind(account),
        software=software_key(account.version),
        versions={name: " or ".join(found) for name, found in account.versions.items()},
        libraries=software_in_words(account.versions),
        repetition_time=_repetition_time(account),
        coverage=_coverage(account),
        strategies=strategies,
        regressors={
            one.name: regressors_in_words(
                one,
                account.regressors.get(one.name),
                [
                    name
                    for names in account.done.get(one.name, {}).get("OtherRegressors", ())
                    for name in names or ()
                ],
            )
            for one in strategies
        },
        censoring={
            one.name: censoring_in_words(one, account.ranges.get(one.name, empty))
            for one in strategies
        },
        done=account.done,
        on_volumes="volumes" in account.kinds or not account.kinds,
        on_surfaces="surfaces" in account.kinds,
        producers=_producers(account),
        slice_timing=_met(account, "SliceTimingCorrected"),
        start_times=[one for one in _met(account, "StartTime") if isinstance(one, (int, float))],
        measures=[MEASURES[one][1].partition(",")[0] for one in settings.measures],
        mask_name=settings.mask.name if isinstance(settings.mask, Path) else "",
        cite=cite,
        cite_by_name=cite_by_name,
    )
