"""Options of the command line over the chosen strategies."""

from __future__ import annotations

from typing import Any

import pytest

from bids_labelx.denoise import Strategy, override, preset_names, read_strategies
from bids_labelx.errors import UsageError


def overridden(*names: str, **options: Any) -> list[Strategy]:
    return override(read_strategies(names), **options)


def test_without_options_nothing_changes() -> None:
    strategies = read_strategies(preset_names())
    assert override(strategies) == strategies


def test_thresholds_change_the_strategies_that_scrub_and_no_other() -> None:
    simple, scrubbing, xcp = overridden(
        "simple", "scrubbing.5", "36P+scrubbing", fd_threshold=0.4, std_dvars_threshold=2
    )
    assert simple == read_strategies(["simple"])[0]
    new = {"fd_threshold": 0.4, "std_dvars_threshold": 2, "min_segment": 5}
    assert scrubbing.volumes["scrub"] == new
    assert xcp.volumes["scrub"] == {**new, "min_segment": 0}


def test_the_description_owns_up_to_what_was_changed() -> None:
    plain = {one.name: one.description for one in read_strategies(["scrubbing.5", "36P", "none"])}
    scrubbing, none = overridden("scrubbing.5", "none", fd_threshold=0.3, dummy_scans=4)
    tail = "; changed on the command line: fd_threshold 0.3, dummy_scans 4"
    assert scrubbing.description == plain["scrubbing.5"] + tail
    assert none.description == plain["none"]
    (band,) = overridden("36P", clean={"low_pass": 0.1, "detrend": False})
    text, _, different = band.description.partition("; changed on the command line: ")
    assert text == plain["36P"]
    assert set(different.split(", ")) == {"detrend false", "low_pass 0.1"}
    (same,) = overridden("36P", clean={"low_pass": 0.08})
    assert same.description == plain["36P"]


def test_thresholds_are_refused_where_nothing_scrubs() -> None:
    with pytest.raises(UsageError, match=r"--fd-threshold: no chosen .* by motion \(simple, "):
        overridden("simple", "none", fd_threshold=0.4)


@pytest.mark.parametrize(("option", "setting"), [(4, 4), (0, 0), ("auto", True)])
def test_dummy_scans_replace_the_marked_volumes_in_all_but_none(
    option: Any, setting: int | bool
) -> None:
    none, simple = overridden("none", "simple", dummy_scans=option)
    assert none.volumes == {}
    assert simple.volumes["non_steady_state"] is setting


def test_settings_of_cleaning_replace_those_of_all_but_none() -> None:
    new = {"detrend": False, "low_pass": 0.1, "filter": "butterworth", "standardize": "psc"}
    none, simple, xcp = overridden("none", "simple", "36P", clean=new)
    assert none.clean == {}
    assert simple.clean == new
    (before,) = read_strategies(["36P"])
    assert xcp.clean == {**before.clean, **new}


def test_what_another_filter_has_no_use_for_goes_with_the_old_one() -> None:
    (cosine,) = overridden("36P", clean={"filter": "cosine"})
    left = {"detrend": True, "standardize_confounds": False, "interpolation": "spline"}
    assert cosine.clean == {**left, "filter": "cosine", "high_pass": 0.01}
    for off in ("none", None):
        (without,) = overridden("36P", clean={"filter": off})
        assert without.clean == left


@pytest.mark.parametrize(
    ("clean", "message"),
    [
        ({"filter": "butterworth"}, "--denoise simple: filter butterworth needs low_pass"),
        ({"filter": "cosine"}, "--denoise simple: filter cosine needs high_pass"),
        (
            {"low_pass": 80},
            "--denoise simple: it has no temporal filter that --low-pass 80 could change; add "
            "--filter butterworth; cut-offs are in Hz, such as 0.08",
        ),
        ({"high_pass": 0.01}, "add --filter butterworth, or --filter cosine for slow drifts"),
        ({"high_pass": 0.01, "filter": "none"}, "--high-pass 0.01 with --filter none; leave one"),
        ({"filter": "cosine", "high_pass": 0.01, "low_pass": 0.1}, "takes no low_pass"),
        ({"filter": "chebyshev"}, "--filter chebyshev: allowed is butterworth, cosine, none"),
        ({"low_pass": -1}, "--low-pass -1: allowed is a number above 0"),
        ({"smooth": 1}, "smooth is no setting of cleaning; allowed: filter, low_pass"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(clean: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        overridden("none", "simple", clean=clean)
    assert message in str(caught.value)


@pytest.mark.parametrize("options", [{"dummy_scans": 2}, {"clean": {"detrend": True}}])
def test_settings_for_none_alone_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="the only strategy chosen is none, which does nothing"):
        overridden("none", **options)


def test_all_wrong_values_are_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        overridden("scrubbing.5", fd_threshold=0, std_dvars_threshold=-1, dummy_scans=-2)
    for message in ("--fd-threshold 0", "--std-dvars-threshold -1", "--dummy-scans -2"):
        assert message in str(caught.value)
