"""What was done for the results that are there, out of the records of runs; see `methods`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bids_labelx.outputs.run_records import Invocation, RunRecord, is_figure
from bids_labelx.settings import options_of_results

# Facts of a run after a strategy of which every value is told, and those told by their range.
_VALUES = (
    *("Interpolation", "LowPass", "HighPass", "OtherRegressors"),
    *("PreprocessedBy", "SliceTimingCorrected", "StartTime"),
)
_RANGES = ("NumberOfVolumes", "NumberOfVolumesKept", "RepetitionTime", "DegreesOfFreedom")
_ATLAS_RANGES = ("Labels", "Missing", "MeanCoverage")

# The lowest and the highest value over runs, by what it is of.
Ranges = dict[str, list[float]]


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
        By strategy, of facts in which runs may differ all values that were met.
    made_of
        Of atlases by name, ``maps`` or ``spheres``; others are of labels.
    kinds
        ``volumes``, ``surfaces`` or both: what the runs are on.
    ranges
        By strategy, of numbers their range over runs.
    regressors
        By strategy, of the number of regressors of each family its range over runs.
    coverage
        By atlas, of the numbers of labels and the coverage the range over runs.
    described
        Of atlases by name, what their descriptions say of the authors.
    versions
        Of the libraries that the numbers depend on, those that were met.
    """

    version: str
    options: dict[str, Any]
    atlases: list[str] = field(default_factory=list)
    strategies: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    made_of: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, Ranges] = field(default_factory=dict)
    regressors: dict[str, Ranges] = field(default_factory=dict)
    coverage: dict[str, Ranges] = field(default_factory=dict)
    described: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What accounts have in common that are told together."""
        return json.dumps([self.version, self.options], sort_keys=True)

    def add(self, other: Account) -> None:
        """Add what another account of the same key has; adding it again changes nothing."""
        self.atlases = sorted({*self.atlases, *other.atlases})
        self.strategies |= other.strategies
        self.made_of |= other.made_of
        self.described |= other.described
        self.kinds = sorted({*self.kinds, *other.kinds}, reverse=True)
        for name, facts in other.done.items():
            own = self.done.setdefault(name, {})
            for fact, values in facts.items():
                _add_values(own.setdefault(fact, []), values)
        for name, versions in other.versions.items():
            _add_values(self.versions.setdefault(name, []), versions)
        for name, ranges in other.ranges.items():
            self.ranges[name] = _wider(self.ranges.get(name, {}), ranges)
        for name, ranges in other.coverage.items():
            self.coverage[name] = _wider(self.coverage.get(name, {}), ranges)
        for name, ranges in other.regressors.items():
            before = self.regressors.get(name)
            made = _wider(before or {}, ranges)
            if before is not None:
                # A family that some runs have and others lack.
                for family in before.keys() ^ ranges.keys():
                    made[family][0] = 0
            self.regressors[name] = made


def _add_values(own: list[Any], values: Iterable[Any]) -> None:
    own += [value for value in values if value not in own]


def _wider(one: Ranges, other: Ranges) -> Ranges:
    return {
        name: [
            min(found[0] for found in (one.get(name), other.get(name)) if found),
            max(found[1] for found in (one.get(name), other.get(name)) if found),
        ]
        for name in [*one, *(name for name in other if name not in one)]
    }


def _ranges(facts: Mapping[str, Any], names: Iterable[str]) -> Ranges:
    """A range of a single value of each of the facts that are known."""
    return {name: [facts[name]] * 2 for name in names if facts.get(name) is not None}


def accounts_of(records: Iterable[RunRecord]) -> list[Account]:
    """What was done for the results that the records of runs name, in the order of the runs."""
    found: dict[str, Account] = {}
    for record in records:
        used: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
        for path, file in record.files.items():
            if not is_figure(path):
                atlases, strategies = used.setdefault(file.invocation, ({}, {}))
                atlases[file.atlas] = strategies[file.strategy] = None
        for key, (atlases, strategies) in used.items():
            made = record.invocations[key]
            names = [name for name in made.strategies if name in strategies]
            if names:
                add_account(found, _account(record, made, [a for a in atlases if a], names))
    return list(found.values())


def _account(
    record: RunRecord, made: Invocation, atlases: list[str], strategies: list[str]
) -> Account:
    """What an invocation did to a run, as far as its results are there."""
    done = {name: record.done[name] for name in strategies if name in record.done}
    known = {name: record.atlases[name] for name in atlases if name in record.atlases}
    counts = {name: facts["Regressors"] for name, facts in done.items() if "Regressors" in facts}
    described = {name: facts.get("Description") for name, facts in known.items()}
    return Account(
        made.versions.get("bids_labelx", "unknown"),
        options_of_results(made.options),
        atlases,
        {name: dict(made.strategies[name]) for name in strategies},
        {name: {fact: [facts.get(fact)] for fact in _VALUES} for name, facts in done.items()},
        ["surfaces" if any(map(_is_surface, record.files)) else "volumes"],
        _kinds_of_atlases(made.made_with, atlases),
        {name: _ranges(facts, _RANGES) for name, facts in done.items()},
        {name: {family: [n, n] for family, n in own.items()} for name, own in counts.items()},
        {name: _ranges(facts, _ATLAS_RANGES) for name, facts in known.items()},
        {name: dict(own) for name, own in described.items() if own},
        {name: [version] for name, version in made.versions.items()},
    )


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
