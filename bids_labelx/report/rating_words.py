"""Sentences on reliability, identifiability and separation of networks by strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from bids_labelx.group.rating_columns import CRITERION
from bids_labelx.group.ratings import RatedStrategies
from bids_labelx.group.retest import FEWEST, HALVES
from bids_labelx.group.rows import Row
from bids_labelx.report.qcfc_words import SIMILAR
from bids_labelx.words import counted, enumerated, two_decimals

# Participants that are named one by one.
_MOST_NAMED = 10
# Fewer participants get a word of caution.
_FEW_PARTICIPANTS = 20
_ALPHA = 0.05


def ratings_in_words(rated: RatedStrategies) -> list[str]:
    """Describe what the values of the strategies show, a sentence or two for each measure."""
    rows = rated.rows
    found = [_participants(rated)]
    if any(row.get("retest") for row in rows):
        found += [_repeats(rows[0]), *_icc(rows), *_motion(rows)]
        found += _identified(rows, len(rated.names))
    else:
        found.append(
            f"There is no reliability: it needs {FEWEST} participants that all strategies have, "
            "with two sessions or runs, or with runs that can be divided into halves."
        )
    if rated.without_halves:
        names = _named([name for name, _ in rated.without_halves])
        found.append(
            f"Without reliability, as their runs have no halves: {names} "
            f"({rated.without_halves[0][1]})."
        )
    return [*found, *_networks(rows), *_predicted(rows)]


def _participants(rated: RatedStrategies) -> str:
    row = rated.rows[0]
    count = counted(int(row["participants"]), "participant")
    own = {one["strategy"]: int(one["runs_of_strategy"]) for one in rated.rows if "runs" in one}
    differ = any(number > row["runs"] for number in own.values())
    if not rated.left_out and not differ:
        return f"All numbers are over {count}; all strategies have the same."
    text = f"All numbers are over the {count} that all strategies have"
    if differ:
        had = enumerated(f"{name} {number:,}" for name, number in own.items())
        runs = counted(int(row["runs"]), "run")
        text = (
            f"All numbers are over the {runs} of {count} that all strategies have (by themselves "
            f"they have {had})"
        )
    if not rated.left_out:
        return f"{text}."
    return f"{text}; excluded, because some strategies lack them: {_named(rated.left_out)}."


def _repeats(row: Row) -> str:
    count, others = row["participants_retest"], row["participants"] - row["participants_retest"]
    if row["retest"] == HALVES:
        return (
            f"Reliability is that of the first and second half of the same runs, of "
            f"{counted(count, 'participant')}, as too few have a second session or run. Halves "
            "share the scan and the state of the participant, which raises reliability, and have "
            "half of the volumes, which lowers it: it is not that of a second session."
        )
    rest = (
        f"; {counted(others, 'other')} {'have' if others > 1 else 'has'} no second one"
        if others
        else ""
    )
    return (
        f"Reliability is over {row['retest']}: the first {row['repeats']} of "
        f"{counted(count, 'participant')}{rest}."
    )


def _icc(rows: Sequence[Row]) -> list[str]:
    medians = _known(rows, "icc21_median")
    if not medians:
        return ["There is no ICC: no edge varies between participants."]
    ranges = {
        row["strategy"]: f"quartiles {two_decimals(row['icc21_q1'])} to "
        f"{two_decimals(row['icc21_q3'])}"
        for row in rows
        if row["strategy"] in medians
    }
    listed = enumerated(f"{two_decimals(v)} for {n} ({ranges[n]})" for n, v in medians.items())
    found = [f"The median over edges of ICC(2,1), absolute agreement, is {listed}."]
    consistent = _known(rows, "icc31_median")
    if consistent:
        found.append(f"That of ICC(3,1), consistency, is {_by_strategy(consistent)}.")
    lows, highs = _known(rows, "icc21_low"), _known(rows, "icc21_high")
    ends = enumerated(
        f"{two_decimals(lows[n])} to {two_decimals(highs[n])} for {n}"
        for n in medians
        if n in lows
    )
    count = rows[0]["participants_retest"]
    few = ", which is wide with so few" if count < _FEW_PARTICIPANTS else ""
    found.append(
        f"The 95 % confidence interval of a single edge's ICC(2,1) with "
        f"{counted(count, 'participant')} is typically {ends}{few}. Edges depend on each other, "
        "so medians over edges are uncertain as well."
    )
    return found


def _motion(rows: Sequence[Row]) -> list[str]:
    """What reliability does not tell, with the strategies that show it."""
    text = (
        "Reliable is not valid: the amount of motion is a trait of participants, and motion "
        "artefacts are reliable, too. A strategy that removes them can lower reliability (Noble "
        "et al., 2019), so read it together with QC-FC."
    )
    medians, qcfc = _known(rows, "icc21_median"), _known(rows, "median_abs_qcfc")
    both = [name for name in medians if name in qcfc]
    if len(both) < 2:
        return [text]
    most, least = max(both, key=medians.__getitem__), min(both, key=qcfc.__getitem__)
    apart = medians[most] - medians[least] > SIMILAR and qcfc[most] - qcfc[least] > SIMILAR
    if not apart:
        return [text]
    return [
        f"{text} Here {most} has the highest median ICC(2,1), {two_decimals(medians[most])}, but "
        f"a median |QC-FC| of {two_decimals(qcfc[most])}, where {least} has "
        f"{two_decimals(qcfc[least])}: some of the reliability may come from motion."
    ]


def _identified(rows: Sequence[Row], n_regions: int) -> list[str]:
    shares, total = _known(rows, "fingerprint"), n_regions * (n_regions - 1) // 2
    edges = min(int(row.get("edges_compared", total)) for row in rows)
    missing = f"{edges:,} of {counted(total, 'edge')} are in all repeats of all participants"
    if not shares:
        return [f"No participant can be identified: {missing}."]
    ps, chance = _known(rows, "fingerprint_p"), rows[0]["fingerprint_chance"]
    listed = enumerated(
        f"{100 * share:.0f} % with {name}" + (f" (p = {ps[name]:.2g})" if name in ps else "")
        for name, share in shares.items()
    )
    found = [
        f"Participants identified in one repeat by their edges in another one: {listed}; "
        f"by chance {100 * chance:.0f} %."
    ]
    if ps and min(ps.values()) > _ALPHA:
        found[0] += " No strategy identifies more participants than expected by chance."
    if edges < total:
        found[0] += f" This is over edges without a missing region: {missing}."
    tried = _known(rows, "discriminability")
    found.append(
        f"Discriminability, 0.5 by chance and 1 at best, is {_by_strategy(tried)}. Motion "
        "can identify participants, too: identification is no proof of neural signal."
    )
    return found


def _networks(rows: Sequence[Row]) -> list[str]:
    values = _known(rows, "segregation")
    if not values:
        return [
            "There is no segregation: it needs two networks in the label table at least, and "
            "edges within them that are above 0 by two standard errors."
        ]
    within, between = _known(rows, "within"), _known(rows, "between")
    means = enumerated(
        f"{two_decimals(within[n])} and {two_decimals(between[n])} for {n}" for n in values
    )
    return [
        f"Mean Fisher z within and between the networks of the label table: {means}. System "
        f"segregation (Chan et al., 2014) is {_by_strategy(values)}. It rises where a strategy "
        "shifts all correlations down, as regression of the global signal does, though networks "
        "are no better separated."
    ]


def _predicted(rows: Sequence[Row]) -> list[str]:
    ends = ("_r", "_auc")
    scores = dict.fromkeys(
        key for row in rows for key in row if key.startswith(CRITERION) and key.endswith(ends)
    )
    found = []
    for key in scores:
        stem, _, score = key.rpartition("_")
        column, values = stem.removeprefix(CRITERION), _known(rows, key)
        count = rows[0].get(f"{stem}_participants", 0)
        if not values:
            found.append(
                f"{column} is not predicted: it is known for {counted(count, 'participant')}, or "
                "one of its categories is too rare."
            )
            continue
        name = "an r of" if score == "r" else "an area under the ROC curve of"
        chance = "0" if score == "r" else "0.5"
        found.append(
            f"From the edges of {counted(count, 'participant')}, {column} is predicted with "
            f"{name} {_by_strategy(values)} ({chance} by chance), by cross-validated ridge "
            "regression with motion regressed out of the edges within the training folds."
        )
    return found


def _known(rows: Sequence[Row], column: str) -> dict[str, float]:
    """The values of a column by strategy, without those that are missing."""
    found: dict[str, float] = {}
    for row in rows:
        value = row.get(column)
        if value is not None and pd.notna(value):
            found[str(row["strategy"])] = float(value)
    return found


def _by_strategy(values: Mapping[str, float]) -> str:
    return enumerated(f"{two_decimals(value)} for {name}" for name, value in values.items())


def _named(participants: Sequence[str]) -> str:
    first = ", ".join(f"sub-{one}" for one in participants[:_MOST_NAMED])
    more = len(participants) - _MOST_NAMED
    return f"{first} and {more:,} more" if more > 0 else first
