"""Data without an effect: how often any test of edges, components or networks finds one.

Each of 400 data sets is tested at 5 %; the count is judged by the binomial distribution. An
effect that is there is found, and orders that the data do not allow find too much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import binom

from bids_labelx.statistics.inference import Inference, infer
from bids_labelx.statistics.networks import network_pairs

DATASETS, PERMUTATIONS, LEVEL, THRESHOLD = 400, 100, 0.05, 1.7
REGIONS = 8
PAIRS = network_pairs(["a", "a", "a", "b", "b", "b", "c", "c"])
EDGES = len(PAIRS.of_edge)


class Study(NamedTuple):
    """One simulated study without an effect of the contrast."""

    z: np.ndarray
    design: np.ndarray
    weights: list[float]
    options: dict


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """Edges that share what comes from their regions."""
    own = rng.normal(size=(n, REGIONS))
    first, second = np.triu_indices(REGIONS, k=1)
    return rng.normal(size=(n, EDGES)) + 0.7 * (own[:, first] + own[:, second])


def two_groups_of_other_age(rng: np.random.Generator) -> Study:
    """Edges depend on age, and the groups differ in it."""
    n = 16
    group = np.arange(n) % 2
    age = rng.normal(size=n) + 1.5 * group
    design = np.column_stack([np.ones(n), group, age])
    return Study(noise(rng, n) + 2 * age[:, np.newaxis], design, [0, 1, 0], {})


def sites_of_other_noise(rng: np.random.Generator) -> Study:
    """Patients are rarer at the noisier site."""
    n = 20
    site = np.arange(n) >= 10
    group = np.isin(np.arange(n), [0, 1, 2, 3, 4, 5, 10, 11, 12])
    z = noise(rng, n) * np.where(site, 3, 1)[:, np.newaxis] + 5 * site[:, np.newaxis]
    return Study(z, np.column_stack([np.ones(n), group, site]), [0, 1, 0], {"blocks": site})


def families(rng: np.random.Generator) -> Study:
    """Siblings are alike, and of one group."""
    n_families, size = 12, 3
    family = np.repeat(np.arange(n_families), size)
    z = noise(rng, len(family)) + 1.5 * noise(rng, n_families)[family]
    design = np.column_stack([np.ones(len(family)), family % 2])
    return Study(z, design, [0, 1], {"blocks": family, "whole": True})


def one_sample_with_a_covariate(rng: np.random.Generator) -> Study:
    n = 14
    age = rng.normal(size=n)
    age -= age.mean()
    z = noise(rng, n) + age[:, np.newaxis]
    return Study(z, np.column_stack([np.ones(n), age]), [1, 0], {})


def sessions_with_missing_edges(rng: np.random.Generator) -> Study:
    """Three sessions of each of eight participants; two lack a region."""
    participants = np.repeat(np.arange(8), 3)
    n = len(participants)
    z = noise(rng, n) + 3 * noise(rng, 8)[participants]
    ends = np.column_stack(np.triu_indices(REGIONS, k=1))
    for row, region in ((4, 2), (17, 6)):
        z[row, (ends == region).any(axis=1)] = np.nan
    return Study(z, rng.normal(size=(n, 1)), [1], {"participants": participants})


STUDIES: dict[str, Callable[[np.random.Generator], Study]] = {
    one.__name__: one
    for one in (
        two_groups_of_other_age,
        sites_of_other_noise,
        families,
        one_sample_with_a_covariate,
        sessions_with_missing_edges,
    )
}


def inferred(study: Study, seed: int, **options: object) -> Inference:
    return infer(
        study.z,
        study.design,
        np.array(study.weights),
        n_regions=REGIONS,
        pairs=PAIRS,
        n_permutations=PERMUTATIONS,
        threshold=THRESHOLD,
        seed=seed,
        **{**study.options, **options},
    )


def component_found(found: Inference, rng: np.random.Generator) -> bool:
    """Whether the largest component is among the largest 5 %, with ties broken at random.

    Sizes of components are small whole numbers, often the same: without that, p is too large, and
    the count of discoveries could not tell a right null distribution from a wide one.
    """
    assert found.permuted is not None
    null = found.permuted.largest_component + rng.uniform(size=PERMUTATIONS)
    return bool((null >= null[0]).mean() <= LEVEL)


@pytest.mark.parametrize("study", STUDIES)
def test_five_percent_of_studies_without_an_effect_find_one(study: str) -> None:
    rng = np.random.default_rng(23)
    counts = dict.fromkeys(("edges", "component", "networks"), 0)
    too_many = 0
    for seed in range(DATASETS):
        found = inferred(STUDIES[study](rng), seed)
        assert found.permuted is not None
        assert found.permuted.networks is not None
        counts["edges"] += bool((found.permuted.p_fwe <= LEVEL).any())
        counts["component"] += component_found(found, rng)
        counts["networks"] += bool((found.permuted.networks.p_fwe <= LEVEL).any())
        too_many += bool((found.permuted.components.p <= LEVEL).any())
    low, high = binom.interval(0.99, DATASETS, LEVEL)
    assert all(low <= count <= high for count in counts.values()), counts
    assert too_many <= high


def test_siblings_that_are_permuted_freely_find_too_much() -> None:
    rng, count = np.random.default_rng(23), 0
    for seed in range(50):
        found = inferred(families(rng), seed, blocks=None, whole=False)
        assert found.permuted is not None
        count += bool((found.permuted.p_fwe <= LEVEL).any())
    assert count > binom.ppf(0.9999, 50, LEVEL)


def test_p_of_single_edges_of_families_is_by_permutation_and_right() -> None:
    """By Student's t, siblings count as independent."""
    rng, shares, by_rate = np.random.default_rng(23), [], 0
    for seed in range(100):
        found = inferred(families(rng), seed)
        shares.append([(p <= LEVEL).mean() for p in (found.p, found.fit.p)])
        by_rate += bool((found.p_fdr <= LEVEL).any())
    by_permutation, by_t = np.mean(shares, axis=0)
    assert by_permutation == pytest.approx(LEVEL, abs=0.02)
    assert by_t > 3 * LEVEL
    assert by_rate <= binom.ppf(0.995, 100, LEVEL)


def test_an_effect_is_found_by_all_tests() -> None:
    """Edges of network a, of patients."""
    rng = np.random.default_rng(5)
    study = sites_of_other_noise(rng)
    effect = PAIRS.of_edge == PAIRS.names.index(("a", "a"))
    patients = study.design[:, 1] == 1
    study.z[np.ix_(patients, effect)] -= 12
    found = inferred(study, 0)
    assert found.permuted is not None
    assert found.permuted.networks is not None
    assert (found.fit.t[effect] < 0).all()
    np.testing.assert_array_equal(found.permuted.p_fwe <= LEVEL, effect)
    np.testing.assert_array_equal(found.p_fdr <= LEVEL, effect)
    assert found.permuted.components.p[0] <= LEVEL
    assert (found.permuted.components.of_edge[effect] == 1).all()
    np.testing.assert_array_equal(
        found.permuted.networks.p_fwe <= LEVEL, np.arange(len(PAIRS.names)) == 0
    )
