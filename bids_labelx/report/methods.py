"""The methods text: what was done for the results that are there, for a paper."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from jinja2 import Environment

from bids_labelx.denoise import Strategy
from bids_labelx.errors import LabelxError
from bids_labelx.measures.connectivity import MEASURES
from bids_labelx.outputs.run_records import RunRecord, is_figure
from bids_labelx.report.pages import render_template
from bids_labelx.settings import make_settings, options_of_results
from bids_labelx.words import enumerated


@dataclass
class Account:
    """What was done alike: the same settings, with these atlases and strategies.

    Attributes
    ----------
    version
        Of bids_labelx.
    options
        The settings that say anything of results, as `bids_labelx.settings.plain_options`.
    atlases
        Names.
    strategies
        The fields of `bids_labelx.denoise.Strategy`, by name.
    done
        By strategy, what it did where it might have done otherwise: of each figure of a run's
        record all values that were met.
    made_of
        Of atlases by name, ``maps`` or ``spheres``; others are of labels.
    kinds
        ``volumes``, ``surfaces`` or both: what the runs are on.
    """

    version: str
    options: dict[str, Any]
    atlases: list[str] = field(default_factory=list)
    strategies: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    made_of: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What accounts have in common that are told together."""
        return json.dumps([self.version, self.options], sort_keys=True)

    def add(self, other: Account) -> None:
        """Add what another account of the same key has."""
        self.atlases = sorted({*self.atlases, *other.atlases})
        self.strategies |= other.strategies
        self.made_of |= other.made_of
        self.kinds = sorted({*self.kinds, *other.kinds}, reverse=True)
        for name, facts in other.done.items():
            own = self.done.setdefault(name, {})
            for figure, values in facts.items():
                met = own.setdefault(figure, [])
                met += [value for value in values if value not in met]


_FACTS = (
    *("Interpolation", "LowPass", "HighPass"),
    *("PreprocessedBy", "SliceTimingCorrected", "StartTime"),
)


def accounts_of(records: Iterable[RunRecord]) -> list[Account]:
    """What was done for the results that the records of runs name, in the order of the runs."""
    found: dict[str, Account] = {}
    for record in records:
        used: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
        kind = "surfaces" if any(map(_is_surface, record.files)) else "volumes"
        for path, file in record.files.items():
            if not is_figure(path):
                atlases, strategies = used.setdefault(file.invocation, ({}, {}))
                atlases[file.atlas] = strategies[file.strategy] = None
        for key, (atlases, strategies) in used.items():
            made = record.invocations[key]
            names = [name for name in made.strategies if name in strategies]
            if names:
                account = Account(
                    made.versions.get("bids_labelx", "unknown"),
                    options_of_results(made.options),
                    [name for name in atlases if name],
                    {name: dict(made.strategies[name]) for name in names},
                    {
                        name: {fact: [record.done[name].get(fact)] for fact in _FACTS}
                        for name in names
                        if name in record.done
                    },
                    [kind],
                    _kinds_of_atlases(made.made_with, atlases),
                )
                add_account(found, account)
    return list(found.values())


def _kinds_of_atlases(made_with: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Of the atlases that are not made of labels, by name, what they are made of."""
    known = made_with.get("atlases", {}).items()
    kinds = {key.rpartition(", ")[2]: one["kind"] for key, one in known if "kind" in one}
    return {name: kinds[name] for name in names if name in kinds}


def _is_surface(path: str) -> bool:
    return path.endswith(("_dseg.dlabel.nii", "_dseg.label.gii"))


def add_account(found: dict[str, Account], account: Account) -> None:
    """Add an account to those of the same key."""
    found.setdefault(account.key, Account(account.version, account.options)).add(account)


def methods_text(accounts: Iterable[Account], templates: Environment | None = None) -> str:
    """Write plain paragraphs and the references they cite, separated by blank lines.

    Parameters
    ----------
    accounts
        Where there are several, each has a heading, and the references come once, at the end.
    templates
        See `bids_labelx.report.pages.render_template`.
    """
    source = files("bids_labelx") / "data" / "bibliography.toml"
    bibliography = tomllib.loads(source.read_text(encoding="utf-8"))
    # In the order in which the template cites them.
    cited: dict[str, None] = {}

    def cite(key: str) -> str:
        cited[key] = None
        return str(bibliography[key]["cited"])

    told = list(accounts)
    paragraphs: list[str] = []
    for account in told:
        if len(told) > 1:
            paragraphs.append(_heading(account))
        try:
            text = _account_text(account, bibliography, cite, templates)
        except LabelxError as error:
            # Results stay where the version that made them has gone.
            text = f"bids_labelx {account.version} had settings that this version lacks: {error}"
        paragraphs += [" ".join(one.split()) for one in re.split(r"\n\s*\n", text) if one.strip()]
    if not paragraphs:
        return "No results are there yet."
    return "\n\n".join([*paragraphs, "References", *(bibliography[key]["entry"] for key in cited)])


def _producers(account: Account) -> list[str]:
    """The programs that made what was read, each once."""
    return list(
        dict.fromkeys(name for names in _met(account, "PreprocessedBy") for name in names or ())
    )


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
    """The names of atlases by what they are made of."""
    found: dict[str, list[str]] = {"labels": [], "maps": [], "spheres": []}
    for name in account.atlases:
        found[account.made_of.get(name, "labels")].append(name)
    return found


def _account_text(
    account: Account, bibliography: Mapping[str, Any], cite: Any, templates: Environment | None
) -> str:
    level = {"bids_dir": "in", "output_dir": "out", "analysis_level": "participant"}
    settings = make_settings({**level, "atlas": ["unnamed"], **account.options})
    fields = ("name", "description", "confounds", "volumes", "clean", "source")
    strategies = [Strategy(**{k: one[k] for k in fields}) for one in account.strategies.values()]
    return render_template(
        "methods.md",
        version=account.version,
        templates=templates,
        settings=settings,
        **_by_kind(account),
        strategies=strategies,
        done=account.done,
        on_volumes="volumes" in account.kinds or not account.kinds,
        on_surfaces="surfaces" in account.kinds,
        producers=_producers(account),
        slice_timing=_met(account, "SliceTimingCorrected"),
        start_times=[one for one in _met(account, "StartTime") if isinstance(one, (int, float))],
        measures=[MEASURES[one][1].partition(",")[0] for one in settings.measures],
        bibliography=bibliography,
        cite=cite,
    )
