"""Options of the command line that change the chosen strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from bids_labelx.denoise.consistency import clean_problem
from bids_labelx.denoise.schema import CLEAN, SCRUB, Rule, is_count
from bids_labelx.denoise.strategies import Strategy, arguments_of_clean
from bids_labelx.errors import UsageError


def override(
    strategies: Sequence[Strategy],
    *,
    fd_threshold: float | None = None,
    std_dvars_threshold: float | None = None,
    dummy_scans: Literal["auto"] | int | None = None,
    clean: Mapping[str, Any] | None = None,
) -> list[Strategy]:
    """The strategies with some of their settings replaced; `none` stays as it is.

    Parameters
    ----------
    strategies
        Those that were chosen.
    fd_threshold, std_dvars_threshold
        New thresholds (mm; no unit) of the strategies that scrub.
    dummy_scans
        How many volumes at the beginning are censored, or ``auto`` for those that fMRIPrep marks
        as non-steady-state.
    clean
        New settings of cleaning, by the keys of `Strategy.clean`; None and ``none`` switch one
        off. Cut-offs and options that another filter has no use for go with the old filter.

    Raises
    ------
    UsageError
        Where a value is not allowed, no chosen strategy is changed by it, or what results does
        not go together. All that is wrong is listed.
    """
    thresholds = {
        name: value
        for name, value in (
            ("fd_threshold", fd_threshold),
            ("std_dvars_threshold", std_dvars_threshold),
        )
        if value is not None
    }
    clean = clean or {}
    problems = _wrong_values(thresholds, SCRUB) + _wrong_values(arguments_of_clean(clean), CLEAN)
    if dummy_scans is not None and dummy_scans != "auto" and not is_count(dummy_scans):
        problems.append(f"{_option('dummy_scans')} {dummy_scans}: a whole number or auto")
    names = ", ".join(strategy.name for strategy in strategies)
    if thresholds and not any("scrub" in strategy.volumes for strategy in strategies):
        options = " and ".join(map(_option, thresholds))
        problems.append(
            f"{options}: no chosen strategy censors by motion ({names}); choose one that does, "
            "such as scrubbing.5 or 36P+scrubbing, or write a file with [volumes.scrub]"
        )
    others = [_option(name) for name in clean]
    others += [] if dummy_scans is None else [_option("dummy_scans")]
    if others and all(strategy.name == "none" for strategy in strategies):
        problems.append(
            f"{' and '.join(others)}: the only strategy chosen is none, which does nothing"
        )
    if problems:
        raise UsageError("\n".join(problems))
    changed = [
        strategy
        if strategy.name == "none"
        else _changed(
            strategy,
            volumes=_volumes(strategy.volumes, thresholds, dummy_scans),
            clean=_clean(strategy.clean, clean),
        )
        for strategy in strategies
    ]
    together = [
        (one.name, _without_filter(one, clean) or clean_problem(one.clean)) for one in changed
    ]
    wrong = [f"--denoise {name}: {problem}" for name, problem in together if clean and problem]
    if wrong:
        raise UsageError("\n".join(wrong))
    return changed


def _without_filter(strategy: Strategy, clean: Mapping[str, Any]) -> str | None:
    """What to add where cut-offs are given for a strategy that has no filter."""
    cutoffs = [name for name in ("low_pass", "high_pass") if clean.get(name) is not None]
    if not cutoffs or strategy.clean.get("filter") or strategy.name == "none":
        return None
    given = " ".join(f"{_option(name)} {clean[name]:g}" for name in cutoffs)
    if clean.get("filter") == "none":
        return f"{given} with --filter none; leave one of them out"
    add = "--filter butterworth"
    if cutoffs == ["high_pass"]:
        add += ", or --filter cosine for slow drifts"
    unit = "" if all(clean[name] < 1 for name in cutoffs) else "; cut-offs are in Hz, such as 0.08"
    return f"it has no temporal filter that {given} could change; add {add}{unit}"


def _changed(strategy: Strategy, volumes: Mapping[str, Any], clean: Mapping[str, Any]) -> Strategy:
    """The strategy with other settings, which are added to its description."""
    new = replace(strategy, volumes=volumes, clean=clean)
    before, after = _flat(strategy), _flat(new)
    different = [
        f"{name} {str(after.get(name, 'none')).lower()}"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    if not different:
        return new
    text = f"{strategy.description}; changed on the command line: {', '.join(different)}"
    return replace(new, description=text)


def _flat(strategy: Strategy) -> dict[str, Any]:
    """The settings that can be changed, by name."""
    dummies = strategy.volumes.get("non_steady_state", "none")
    return {
        **strategy.volumes.get("scrub", {}),
        "dummy_scans": "auto" if dummies is True else dummies,
        **strategy.clean,
    }


def _volumes(
    volumes: Mapping[str, Any], thresholds: Mapping[str, float], dummy_scans: str | int | None
) -> dict[str, Any]:
    changed = dict(volumes)
    if "scrub" in changed:
        changed["scrub"] = {**changed["scrub"], **thresholds}
    if dummy_scans is not None:
        changed["non_steady_state"] = True if dummy_scans == "auto" else dummy_scans
    return changed


def _clean(settings: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    useless: set[str] = set()
    if "filter" in new:
        kind = new["filter"]
        if kind != "butterworth":
            useless |= {"low_pass", "butterworth", "censored_ends"}
        useless |= set() if kind in ("butterworth", "cosine") else {"high_pass"}
    left = {key: value for key, value in settings.items() if key not in useless}
    return arguments_of_clean({**left, **new})


def _wrong_values(values: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, value in values.items():
        allowed = schema.get(name)
        if allowed is None:
            problems.append(f"{name} is no setting of cleaning; allowed: {', '.join(schema)}")
        elif isinstance(allowed, Rule) and not allowed.holds(value):
            problems.append(f"{_option(name)} {value}: allowed is {allowed.words}")
    return problems


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
