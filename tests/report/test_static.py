"""What the scripts of the pages carry that Python has too."""

from __future__ import annotations

import base64
import re
from importlib.resources import files

import matplotlib
import numpy as np
import pytest

from bids_labelx.pictures.label_colours import NO_VALUE, PALETTE

CORE = (files("bids_labelx.report") / "static" / "core.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["RdBu_r", "cividis", "YlOrRd", "gray"])
def test_colours_are_those_of_matplotlib(name: str) -> None:
    (text,) = re.findall(rf'^ *{name}: "([^"]*)",$', CORE, re.MULTILINE)
    wanted = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    np.testing.assert_array_equal(
        np.frombuffer(base64.b64decode(text), np.uint8).reshape(256, 3), wanted
    )


def test_colours_of_labels_are_those_of_the_figures() -> None:
    (text,) = re.findall(r"labelx\.palette = \[(.*)\];", CORE)
    assert tuple(re.findall(r"#\w{6}", text)) == PALETTE
    assert f'labelx.noValue = "{NO_VALUE}";' in CORE
