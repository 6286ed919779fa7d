"""The demo's page of a participant in a browser: what it tells is in the tables beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from browsing import Opened

pytestmark = pytest.mark.integration

VOLUME = "ses-pre_task-rest_run-1_space-MNI152NLin2009cAsym_res-2"
SURFACE = "ses-post_task-rest_space-fsLR_den-2k"
STRATEGIES = {"none": "raw", "simple": "simple", "scrubbing.5": "scrubbing5"}


def open_page(browser: Any, output: Path, run: str, strategy: str) -> Opened:
    anchor = f"#run={run}&strategy={strategy}"
    opened = Opened(browser, output / "sub-01.html", anchor=anchor)
    opened.page.locator("#drawn h2").wait_for()
    return opened


def table(output: Path, run: str, ending: str) -> pd.DataFrame:
    """The one table of a run with an ending; names of those of outliers have no space."""
    name, _, space = run.partition("_space-")
    found = [
        path
        for path in (output / "sub-01").rglob(f"sub-01_{name}*{ending}")
        if "_space-" not in path.name or f"_space-{space.split('_')[0]}_" in path.name
    ]
    assert len(found) == 1
    return pd.read_csv(found[0], sep="\t", na_values="n/a", keep_default_na=False)


def agree(texts: Iterable[str], wanted: np.ndarray, decimals: int) -> None:
    """The last number of each text is that of the table, rounded."""
    told = [re.search(r"(n/a|-?\d+(\.\d+)?)$", text)[1] for text in texts]
    assert {len(one.partition(".")[2]) for one in told} - {0} == {decimals}
    numbers = np.array([np.nan if one == "n/a" else float(one) for one in told])
    np.testing.assert_allclose(numbers, wanted, rtol=0, atol=0.51 * 10.0**-decimals)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("run", [VOLUME, SURFACE], ids=["volume", "surface"])
def test_matrix_and_carpet_tell_the_tables_of_the_run(
    browser: Any, demo: tuple[Path, str], run: str, strategy: str
) -> None:
    output, desc = demo[0] / "bids_labelx", STRATEGIES[strategy]
    opened = open_page(browser, output, run, strategy)
    matrix = table(output, run, f"_desc-{desc}_relmat.tsv")
    matrix = matrix.set_index(matrix.columns[0])
    names, count = matrix.index.tolist(), len(matrix)
    picture = opened.picture(f"Pearson correlation, {strategy}")
    texts = opened.tips(picture, (count, count), np.ndindex(count, count))
    pairs = [text.split(": ")[0] for text in texts]
    assert pairs == [f"{one} – {other}" for one in names for other in names]
    agree(texts, matrix.to_numpy().ravel(), 2)
    link = opened.page.locator("#drawn figcaption a").get_attribute("href")
    linked = pd.read_csv(output / unquote(link), sep="\t", index_col=0)
    np.testing.assert_array_equal(linked, matrix)

    outliers = table(output, run, f"_desc-{desc}_outliers.tsv")
    kept = np.flatnonzero(outliers["kept"] == 1)
    series = table(output, run, f"_desc-{desc}_timeseries.tsv").to_numpy()
    series = series if len(series) == len(kept) else series[kept]
    scored = (series - series.mean(axis=0)) / series.std(axis=0)
    volumes = len(outliers)
    carpet = opened.picture(f"Carpet, {strategy}")
    for row in range(count):
        texts = opened.tips(carpet, (count, volumes), [(row, volume) for volume in kept])
        assert {text.split(": ")[0] for text in texts} == {names[row]}
        # Of a step a tenth of which each number is rounded to.
        agree([text.split("\n")[0] for text in texts], scored[:, row], 1)

    motion = opened.picture("FD (mm)")
    texts = opened.tips(motion, (1, volumes), [(0, volume) for volume in range(volumes)])
    agree(
        [text.split("\n")[0] for text in texts], outliers["framewise_displacement"].to_numpy(), 3
    )
    censored = [text.endswith(", censored") for text in texts]
    assert np.flatnonzero(np.logical_not(censored)).tolist() == kept.tolist()
    assert opened.complaints == []
    opened.page.context.close()


def test_coverage_tells_the_label_table(browser: Any, demo: tuple[Path, str]) -> None:
    output = demo[0] / "bids_labelx"
    opened = open_page(browser, output, VOLUME, "simple")
    labels = table(output, VOLUME, "_dseg.tsv").sort_values("coverage", kind="stable")
    picture, count = opened.picture("Coverage of each region"), len(labels)
    texts = opened.tips(picture, (1, count), [(0, i) for i in range(count)])
    told = {text.split(",")[0]: text.split("\n")[1] for text in texts}
    assert told.keys() == set(labels["name"])
    agree([told[name] for name in labels["name"]], labels["coverage"].to_numpy(), 2)
    shown = [float(text.split("\n")[1].split()[-1]) for text in texts]
    assert shown == sorted(shown)
    opened.page.context.close()
