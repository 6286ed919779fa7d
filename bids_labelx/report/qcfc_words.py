"""Sentences on QC-FC, degrees of freedom and modularity of strategies."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from bids_labelx.group.evidence import chance_median
from bids_labelx.group.qcfc import FEWEST
from bids_labelx.group.rows import motion_words
from bids_labelx.words import counted, enumerated, two_decimals

# Values that differ by less are called similar.
SIMILAR = 0.02

# Fewer edges get a word of caution.
FEW_EDGES = 50

_NO_STRATEGY = "none"


def qcfc_in_words(table: pd.DataFrame) -> list[str]:
    """Describe what the values of the strategies show, a sentence or two for each measure.

    Parameters
    ----------
    table
        Rows of ``group_…_qcfc.tsv`` that differ in the strategy only. It may have two more
        columns: ``edges``, the number of edges with an r, ``volumes``, the mean number of
        volumes of a run, and ``covariate_columns``, how many of them QC-FC holds constant.

    Returns
    -------
    list of str
        QC-FC is over the same participants for all strategies. Modularity is not compared where
        strategies have different numbers of participants.
    """
    counts = {name: int(n) for name, n in _known(table, "participants").items()}
    own = {name: int(n) for name, n in _known(table, "participants_of_strategy").items()}
    held = round(max(_known(table, "covariate_columns").values(), default=0))
    moved = motion_words(table["motion"].iloc[0])
    medians = _known(table, "median_abs_qcfc")
    comparable = len(set((own or counts).values())) == 1
    found = [_common(table, counts, own, moved)] if own else []
    if medians:
        without = [name for name in counts if name not in medians]
        found += [f"There is no QC-FC for {enumerated(without)}."] if without else []
        edges = {round(n) for name, n in _known(table, "edges").items() if name in medians}
        if edges and min(edges) < FEW_EDGES:
            found.append(f"Only {counted(min(edges), 'edge')} with an r: interpret with caution.")
        found += [
            _median(medians),
            _chance(medians, {name: counts[name] for name in medians}, held),
            _significant(table, moved, complete=not without),
            _distance(_known(table, "distance_dependence")),
        ]
    else:
        found.append(_no_qcfc(counts, moved, held))
    found.append(_cost(_known(table, "mean_dof_lost"), _known(table, "volumes")))
    return found + _modularities(
        _known(table, "modularity"), _known(table, "signed_modularity"), comparable
    )


def _known(table: pd.DataFrame, column: str) -> dict[str, float]:
    """The values of a column by strategy, without those that are missing."""
    if column not in table:
        return {}
    values = pd.to_numeric(table[column], errors="coerce")
    pairs = zip(table["strategy"], values, strict=True)
    return {str(name): float(value) for name, value in pairs if pd.notna(value)}


def _common(
    table: pd.DataFrame, counts: Mapping[str, int], own: Mapping[str, int], moved: str
) -> str:
    """On which participants QC-FC is, where a strategy has others, and which it holds constant."""
    common = counted(max(counts.values(), default=0), "participant")
    given = table["covariates"].dropna().tolist() if "covariates" in table else []
    text = f"QC-FC is over the {common} that all strategies have with a {moved}"
    if given:
        without = round(max(_known(table, "participants_without_covariates").values(), default=0))
        text = (
            f"QC-FC is a partial correlation that holds {enumerated(str(given[0]).split(', '))} "
            f"constant (Ciric et al., 2017), over the {common} that all strategies have with a "
            f"{moved} and these covariates"
        )
        text += f"; {counted(without, 'other')} without a covariate excluded" if without else ""
    runs = max(_known(table, "runs").values(), default=0)
    text += f", and over their {counted(round(runs), 'run')} that all have" if runs else ""
    if len(set(own.values())) == 1:
        return f"{text}."
    listed = enumerated(f"{name} {count}" for name, count in own.items())
    return (
        f"{text}; by themselves they have {listed}. Degrees of freedom and modularity are over "
        "all participants of each strategy: differences may come from the participants and not "
        "from the strategies."
    )


def _no_qcfc(counts: Mapping[str, int], moved: str, held: int) -> str:
    most, fewest = max(counts.values(), default=0), FEWEST + held
    if most < fewest:
        return (
            f"There is no QC-FC: it needs {fewest} participants with a {moved}, and there "
            f"{'is' if most == 1 else 'are'} {most}."
        )
    return (
        f"There is no QC-FC: no edge has a correlation with {moved} over participants, for "
        f"instance because all have the same {moved}."
    )


def _median(values: Mapping[str, float]) -> str:
    what = "Median |QC-FC| over all edges"
    if len(values) == 1:
        return f"{what} is {_by_strategy(values)}."
    low, high = min(values.values()), max(values.values())
    if _similar(low, high):
        return (
            f"{what} is similar for all strategies ({two_decimals(low)} to {two_decimals(high)}, "
            f"differences below {SIMILAR})."
        )
    best = [f"{name} ({two_decimals(v)})" for name, v in values.items() if _similar(v, low)]
    worst = [f"{name} ({two_decimals(v)})" for name, v in values.items() if _similar(v, high)]
    similar = f", which are similar (differences below {SIMILAR})," if len(best) > 1 else ""
    return f"{what} is lowest for {enumerated(best)}{similar} and highest for {enumerated(worst)}."


def _chance(medians: Mapping[str, float], counts: Mapping[str, int], held: int) -> str:
    by_count = {n: chance_median(n - held) for n in sorted(set(counts.values()))}
    expected = enumerated(f"{two_decimals(r)} with {n} participants" for n, r in by_count.items())
    below = [name for name, value in medians.items() if value <= by_count[counts[name]]]
    told = (
        f"The median of {enumerated(below)} is not above it."
        if below
        else "All strategies are above it."
    )
    return (
        f"If motion and connectivity were unrelated, the median |r| would be about {expected}; "
        f"values below that are indistinguishable from chance. {told} Edges depend on each other, "
        "so chance alone can change a median considerably, the more so with few participants."
    )


def _significant(table: pd.DataFrame, moved: str, *, complete: bool) -> str:
    shares = _known(table, "share_significant")
    edges = _known(table, "edges")
    if not any(shares.values()):
        return (
            f"No edge is significantly correlated with {moved} after correction for the false "
            f"discovery rate (q < 0.05), for any strategy{'' if complete else ' with QC-FC'}. "
            "With few participants only strong correlations are significant; weaker ones may "
            "exist."
        )
    texts = []
    for name, share in shares.items():
        percent = f"{100 * share:.1f} %"
        if not share:
            texts.append(f"none for {name}")
        elif name in edges:
            number = round(share * edges[name])
            texts.append(f"{number:,} of {round(edges[name]):,} ({percent}) for {name}")
        else:
            texts.append(f"{percent} for {name}")
    return (
        f"Edges significantly correlated with {moved} after correction for the false discovery "
        f"rate (q < 0.05): {enumerated(texts)}."
    )


def _distance(rhos: Mapping[str, float]) -> str:
    if not rhos:
        return (
            "Whether QC-FC depends on distance is unknown: fewer than 3 edges have an r and a "
            "distance, or all are the same. Regions on surfaces have places where --surface-mesh "
            "gives the midthickness meshes."
        )
    what = "The dependence of QC-FC on distance (Spearman's rho)"
    if len(rhos) == 1:
        return f"{what} is {_by_strategy(rhos)}."
    sizes = {name: abs(value) for name, value in rhos.items()}
    low, high = min(sizes.values()), max(sizes.values())
    signed = {name: f"{name} ({two_decimals(value)})" for name, value in rhos.items()}
    if _similar(low, high):
        return f"{what} is of similar size for all strategies: {enumerated(signed.values())}."
    weakest = [signed[name] for name, size in sizes.items() if _similar(size, low)]
    strongest = [signed[name] for name, size in sizes.items() if _similar(size, high)]
    return (
        f"{what} is weakest for {enumerated(weakest)} and strongest for {enumerated(strongest)}."
    )


def _cost(lost: Mapping[str, float], volumes: Mapping[str, float]) -> str:
    if not lost:
        return "The loss of degrees of freedom is unknown."
    texts = []
    for name, value in sorted(lost.items(), key=lambda item: item[1]):
        percent = (
            f" ({100 * value / volumes[name]:.0f} % of the volumes)" if name in volumes else ""
        )
        texts.append(f"{value:.4g}{percent if value else ''} for {name}")
    return f"Mean loss of degrees of freedom per run: {enumerated(texts)}."


def _modularities(
    positive: Mapping[str, float], signed: Mapping[str, float], comparable: bool
) -> list[str]:
    if not positive:
        return ["There is no modularity: it needs networks in the label table and positive edges."]
    what = "Modularity of the mean matrix, with the networks of the label table,"
    return [
        _modularity(f"{what} of positive edges only,", positive, comparable),
        _modularity(
            "Signed modularity (Rubinov & Sporns, 2011), which counts negative edges too,",
            signed,
            comparable,
        ),
        "Both rise where a strategy shifts all correlations down, as regression of the global "
        "signal does, though networks are no better separated: do not compare strategies with and "
        "without it by modularity.",
    ]


def _modularity(what: str, values: Mapping[str, float], comparable: bool) -> str:
    if not comparable or len(values) == 1 or _NO_STRATEGY not in values:
        return f"{what} is {_by_strategy(values)}."
    before = values[_NO_STRATEGY]
    parts = []
    for word, members in (
        ("higher", [n for n, v in values.items() if v > before and not _similar(v, before)]),
        ("lower", [n for n, v in values.items() if v < before and not _similar(v, before)]),
        ("similar", [n for n, v in values.items() if n != _NO_STRATEGY and _similar(v, before)]),
    ):
        if members:
            parts.append(
                f"{word} for {enumerated(f'{n} ({two_decimals(values[n])})' for n in members)}"
            )
    return f"{what} is {two_decimals(before)} without denoising, and {enumerated(parts)}."


def _by_strategy(values: Mapping[str, float]) -> str:
    return enumerated(f"{two_decimals(value)} for {name}" for name, value in values.items())


def _similar(one: float, other: float) -> bool:
    return round(abs(one - other), 9) < SIMILAR
