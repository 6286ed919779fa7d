from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from bids_labelx.pictures.label_colours import (
    LABELS,
    MISSING,
    NO_VALUE,
    label_colours,
    tell_apart,
)
from bids_labelx.pictures.panels import Panel


def panel(regions: np.ndarray) -> Panel:
    return Panel("z = 0 mm", 0, ("L", "R"), regions, None)


def test_touching_regions_differ_in_colour_with_400_regions() -> None:
    points = np.random.default_rng(1).uniform(0, 120, (400, 2))
    grid = np.stack(np.meshgrid(np.arange(120), np.arange(120), indexing="ij"), axis=-1)
    regions = ((grid[..., None, :] - points) ** 2).sum(-1).argmin(-1) + 1
    colours = np.append("", label_colours([panel(regions)], 400).colours)[regions]
    same = different = 0
    for one, other, a, b in (
        (regions[1:], regions[:-1], colours[1:], colours[:-1]),
        (regions[:, 1:], regions[:, :-1], colours[:, 1:], colours[:, :-1]),
    ):
        same += int(((one != other) & (a == b)).sum())
        different += int(((one != other) & (a != b)).sum())
    assert different > 1000
    assert same < 0.02 * different


def test_neighbours_in_any_of_the_panels_differ() -> None:
    first, second = np.array([[1, 2], [1, 2]]), np.array([[2, 0, 3], [2, 0, 3]])
    third = np.array([[3, 3], [0, 0], [1, 1]])
    one, two, three = tell_apart([first, second, third], 3, 7)
    assert len({one, two, three}) == 3


def test_regions_of_no_panel_have_colours_in_turn() -> None:
    assert tell_apart([np.zeros((3, 3), int)], 9, 7).tolist() == [*range(7), 0, 1]
    assert tell_apart([], 0, 7).tolist() == []


def test_regions_have_the_colours_of_their_networks() -> None:
    found = label_colours([], 5, ["Vis", "n/a", "Aud", "Vis", ""])
    orange, blue = LABELS[:2]
    assert found.colours == (orange, NO_VALUE, blue, orange, NO_VALUE)
    assert found.networks == (("Vis", orange), ("Aud", blue), ("no network", NO_VALUE))
    assert found.note == ""


@pytest.mark.parametrize("networks", [None, ["n/a", ""]], ids=["none", "n/a"])
def test_without_networks_colours_are_said_to_mean_nothing(networks: list[str] | None) -> None:
    found = label_colours([panel(np.array([[1, 2]]))], 2, networks)
    assert found.networks is None
    assert len(set(found.colours)) == 2
    assert "only tell neighbouring regions apart" in found.note


def test_twenty_networks_have_a_colour_each_and_more_share_them() -> None:
    names = [f"network {i}" for i in range(23)]
    assert len(set(label_colours([], 20, names[:20]).colours)) == 20
    found = label_colours([], 23, names)
    assert found.colours[20:] == found.colours[:3]
    assert found.note == "23 networks share 20 colours."


def lab(colour: str) -> np.ndarray:
    """CIE L*a*b* under D65."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    share = np.array(to_xyz) @ linear / (0.9505, 1, 1.089)
    x, y, z = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_colours_of_networks_are_told_from_each_other_from_none_and_from_missing() -> None:
    every = [*LABELS, NO_VALUE, MISSING]
    distances = {
        (one, other): np.linalg.norm(lab(one) - lab(other))
        for one, other in itertools.combinations(every, 2)
    }
    assert min(distances.values()) > 25, min(distances, key=lambda pair: distances[pair])


def test_panels_are_made_without_matplotlib() -> None:
    code = (
        "import sys, bids_labelx.pictures.panels, bids_labelx.pictures.label_colours; "
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
