"""Colours of regions in pictures of the brain.

The first ones are Okabe and Ito's, which can be told apart with the common kinds of colour
blindness (https://jfly.uni-koeln.de/color/).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from bids_labelx.measures.quality import NETWORKLESS
from bids_labelx.pictures.panels import Panel

PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
# Stripes and outlines of missing regions, which no region has.
MISSING = "#d55e00"
# Of as many networks; neighbours are told apart by the first seven.
LABELS = (
    *(colour for colour in PALETTE if colour != MISSING),
    *("#6650ff", "#00e65c", "#ff22ee", "#556b00", "#ee0055", "#bbeeaa", "#aa1199"),
    *("#00e0e0", "#008800", "#ee9977", "#883333", "#b399ff", "#0088ff", "#aaff22"),
)
NO_VALUE = "#bdbdbd"
NEIGHBOURS = "Colours only tell neighbouring regions apart."


class LabelColours(NamedTuple):
    """The colour of each region of an atlas.

    Attributes
    ----------
    colours
        In hexadecimal digits, such as ``#e69f00``, in the order of the label table.
    networks
        Name and colour of each network; None where there are none.
    note
        What is to be said of the colours.
    """

    colours: tuple[str, ...]
    networks: tuple[tuple[str, str], ...] | None
    note: str


def label_colours(
    panels: Sequence[Panel],
    count: int,
    networks: Sequence[str] | None = None,
    palette: Sequence[str] = LABELS[:7],
) -> LabelColours:
    """Colour regions by network or, where there are none, so that neighbours differ.

    Parameters
    ----------
    panels
        Where neighbours are looked for.
    count
        Number of regions.
    networks
        Of each region; those of `NETWORKLESS` are none, and grey. More than 20 share colours.
    palette
        Colours where there are no networks.
    """
    named = [one for one in dict.fromkeys(networks or ()) if one not in NETWORKLESS]
    if networks is None or not named:
        colours = tell_apart([panel.regions for panel in panels], count, len(palette))
        return LabelColours(tuple(palette[colour] for colour in colours), None, NEIGHBOURS)
    colour_of = {name: LABELS[i % len(LABELS)] for i, name in enumerate(named)}
    shared = len(named) > len(LABELS)
    note = f"{len(named)} networks share {len(LABELS)} colours." if shared else ""
    grey = any(one in NETWORKLESS for one in networks)
    return LabelColours(
        tuple(colour_of.get(one, NO_VALUE) for one in networks),
        (*colour_of.items(), *([("no network", NO_VALUE)] if grey else ())),
        note,
    )


def tell_apart(
    pictures: Sequence[NDArray[np.integer]], count: int, colours: int
) -> NDArray[np.intp]:
    """Number a colour for each of `count` regions, shape (count,).

    Regions are coloured in order, each with the colour that has the least contact with it so far,
    so that neighbours differ. Of equal ones, the next in turn is used.

    Parameters
    ----------
    pictures
        Positions of the regions from 1, 0 where there is none.
    count, colours
        Numbers of regions and of colours.
    """
    chosen = np.full(count, -1)
    contacts = _contacts(pictures, count)
    for region, (start, stop) in enumerate(pairwise(contacts.indptr)):
        others, times = contacts.indices[start:stop], contacts.data[start:stop]
        contact = np.bincount(chosen[others] + 1, times, minlength=colours + 1)[1:]
        in_turn = (region + np.arange(colours)) % colours
        chosen[region] = in_turn[np.argmin(contact[in_turn])]
    return chosen


def _contacts(pictures: Sequence[NDArray[np.integer]], count: int) -> csr_array:
    """How often two regions are one or two pixels from each other, shape (count, count).

    Two pixels, because parcels on either side of a thin gap look like neighbours too.
    """
    pairs = [np.empty((2, 0), dtype=np.intp)]
    for picture in pictures:
        for moved in (picture, picture.T):
            for distance in (1, 2):
                both = np.stack([moved[:-distance], moved[distance:]]).astype(np.intp)
                pairs.append(both[:, (both[0] != both[1]) & both.all(axis=0)] - 1)
    one, other = np.concatenate(pairs, axis=1)
    found = coo_array((np.ones(one.size), (one, other)), (count, count)).tocsr()
    return csr_array(found + found.T)
