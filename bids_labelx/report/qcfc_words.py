"""What the figures of QC-FC say, in words, and no more than they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from bids_labelx.group.evidence import chance_median
from bids_labelx.group.qcfc import FEWEST

# Figures that differ by less are called alike.
ALIKE = 0.02

# Figures of fewer edges rest on little.
FEW_EDGES = 50

_NO_STRATEGY = "none"


def qcfc_in_words(table: pd.DataFrame) -> list[str]:
    """Say what the strategies' figures tell, a sentence or two for each question.

    Parameters
    ----------
    table
        Rows of ``group_…_qcfc.tsv`` that differ in nothing but the strategy. It may have two
        columns more: ``edges``, the number of edges with an r, and ``volumes``, the mean number of
        volumes of a run.

    Returns
    -------
    list of str
        None of them compares strategies whose numbers of participants differ.
    """
    counts = {name: int(n) for name, n in _known(table, "participants").items()}
    medians = _known(table, "median_abs_qcfc")
    comparable = len(set(counts.values())) == 1
    found = [] if comparable else [_not_comparable(counts)]
    if medians:
        without = [name for name in counts if name not in medians]
        found += [f"With {_list(without)} there is no QC-FC."] if without else []
        edges = {round(n) for name, n in _known(table, "edges").items() if name in medians}
        if edges and min(edges) < FEW_EDGES:
            found.append(
                f"There are no more than {min(edges)} edges with an r: the figures rest on little."
            )
        found += [
            _median(medians, comparable),
            _chance(medians, {name: counts[name] for name in medians}),
            _significant(table, complete=not without),
            _distance(_known(table, "distance_dependence"), comparable),
        ]
    else:
        found.append(_no_qcfc(counts))
    found.append(_cost(_known(table, "mean_dof_lost"), _known(table, "volumes")))
    found.append(_modularity(_known(table, "modularity"), comparable))
    return found


def _known(table: pd.DataFrame, column: str) -> dict[str, float]:
    """The values of a column by strategy, without those that are missing."""
    if column not in table:
        return {}
    values = pd.to_numeric(table[column], errors="coerce")
    pairs = zip(table["strategy"], values, strict=True)
    return {str(name): float(value) for name, value in pairs if pd.notna(value)}


def _not_comparable(counts: Mapping[str, int]) -> str:
    return (
        "The strategies have different numbers of participants with a mean FD "
        f"({_list(f'{name} {count}' for name, count in counts.items())}), so their figures cannot "
        "be compared: it may be the participants that differ, and not what the strategies do."
    )


def _no_qcfc(counts: Mapping[str, int]) -> str:
    most = max(counts.values(), default=0)
    if most < FEWEST:
        have = "has" if most == 1 else "have"
        return (
            f"There is no QC-FC: it takes {FEWEST} participants with a mean FD, and {most} {have} "
            "one."
        )
    return (
        "There is no QC-FC: no edge has a correlation with mean FD over participants, as where "
        "all have the same mean FD."
    )


def _median(values: Mapping[str, float], comparable: bool) -> str:
    what = "Median |QC-FC| over all edges"
    if not comparable or len(values) == 1:
        return f"{what} is {_list(f'{_number(v)} with {name}' for name, v in values.items())}."
    low, high = min(values.values()), max(values.values())
    if _alike(low, high):
        return (
            f"{what} is alike with all strategies ({_number(low)} to {_number(high)}, differences "
            f"below {ALIKE})."
        )
    best = [f"{name} ({_number(v)})" for name, v in values.items() if _alike(v, low)]
    worst = [f"{name} ({_number(v)})" for name, v in values.items() if _alike(v, high)]
    alike = f", which are alike (differences below {ALIKE})," if len(best) > 1 else ""
    return f"{what} is lowest with {_list(best)}{alike} and highest with {_list(worst)}."


def _chance(medians: Mapping[str, float], counts: Mapping[str, int]) -> str:
    by_count = {n: chance_median(n) for n in sorted(set(counts.values()))}
    expected = _list(f"{_number(r)} with {n} participants" for n, r in by_count.items())
    below = [name for name, value in medians.items() if value <= by_count[counts[name]]]
    told = (
        f"That of {_list(below)} is not above it and cannot be told from none."
        if below
        else "None of the strategies is below it."
    )
    return (
        f"Were motion and connectivity unrelated, the median |r| would be about {expected}; what "
        f"is below that cannot be told from no relation. {told} Edges depend on each other, so "
        "chance alone can move a median by much, the more so the fewer participants there are."
    )


def _significant(table: pd.DataFrame, *, complete: bool) -> str:
    shares = _known(table, "share_significant")
    edges = _known(table, "edges")
    if not any(shares.values()):
        return (
            "No edge goes with mean FD after correction for the false discovery rate (q < 0.05), "
            f"with any strategy{'' if complete else ' that has QC-FC'}. Few participants show "
            "strong relations alone, so this does not mean that there is none."
        )
    texts = []
    for name, share in shares.items():
        percent = f"{100 * share:.1f} %"
        if not share:
            texts.append(f"no edge with {name}")
        elif name in edges:
            number = round(share * edges[name])
            texts.append(f"{number:,} of {round(edges[name]):,} ({percent}) with {name}")
        else:
            texts.append(f"{percent} with {name}")
    return (
        "Edges that go with mean FD after correction for the false discovery rate (q < 0.05): "
        f"{_list(texts)}."
    )


def _distance(rhos: Mapping[str, float], comparable: bool) -> str:
    if not rhos:
        return (
            "Whether QC-FC depends on distance is not known: there are fewer than 3 edges with an "
            "r and a distance, or all are the same."
        )
    what = "The dependence of QC-FC on distance (Spearman's rho)"
    if not comparable or len(rhos) == 1:
        return f"{what} is {_list(f'{_number(v)} with {name}' for name, v in rhos.items())}."
    sizes = {name: abs(value) for name, value in rhos.items()}
    low, high = min(sizes.values()), max(sizes.values())
    signed = {name: f"{name} ({_number(value)})" for name, value in rhos.items()}
    if _alike(low, high):
        return f"{what} is alike in size with all strategies: {_list(signed.values())}."
    weakest = [signed[name] for name, size in sizes.items() if _alike(size, low)]
    strongest = [signed[name] for name, size in sizes.items() if _alike(size, high)]
    return f"{what} is weakest with {_list(weakest)} and strongest with {_list(strongest)}."


def _cost(lost: Mapping[str, float], volumes: Mapping[str, float]) -> str:
    if not lost:
        return "How many degrees of freedom the strategies cost is not known."
    texts = []
    for name, value in sorted(lost.items(), key=lambda item: item[1]):
        percent = (
            f" ({100 * value / volumes[name]:.0f} % of the volumes)" if name in volumes else ""
        )
        texts.append(f"{value:.4g}{percent if value else ''} with {name}")
    return f"A run loses degrees of freedom, on average: {_list(texts)}."


def _modularity(values: Mapping[str, float], comparable: bool) -> str:
    if not values:
        return "There is no modularity: it takes networks in the label table and positive edges."
    what = "Modularity of the mean matrix, with the table's networks,"
    if not comparable or len(values) == 1 or _NO_STRATEGY not in values:
        texts = (f"{_number(v)} with {name}" for name, v in values.items())
        return f"{what} is {_list(texts)}."
    before = values[_NO_STRATEGY]
    parts = []
    for word, members in (
        ("higher", [n for n, v in values.items() if v > before and not _alike(v, before)]),
        ("lower", [n for n, v in values.items() if v < before and not _alike(v, before)]),
        ("alike", [n for n, v in values.items() if n != _NO_STRATEGY and _alike(v, before)]),
    ):
        if members:
            parts.append(f"{word} with {_list(f'{n} ({_number(values[n])})' for n in members)}")
    return f"{what} is {_number(before)} without denoising, and {_list(parts)}."


def _alike(one: float, other: float) -> bool:
    return round(abs(one - other), 9) < ALIKE


def _number(value: float) -> str:
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def _list(texts: Iterable[str]) -> str:
    """Put texts together as in a sentence: a, b and c."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last
