"""What the maskers of maps and spheres have in common as in nilearn 0.14.1."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


class Weighted:
    """Reports of some of the maps or spheres, and the name of an argument.

    `conduct.OneRun` and the masker come behind it.

    Attributes
    ----------
    _SHOWS
        The argument of `generate_report` that says which, ``displayed_…``.
    """

    _SHOWS = ""

    _shown: list[int] | None = None

    def inverse_transform(self, region_signals: Any) -> Any:
        """Give every voxel the signals of its maps or spheres, and 0 to those without one.

        Parameters
        ----------
        region_signals : array or data frame of shape (n_elements_,) or (n_volumes, n_elements_)
            A data frame of one row gives a 3D image, as an array of one dimension does.
        """
        return super().inverse_transform(region_signals)  # type: ignore[misc]

    def generate_report(
        self, engine: str = "matplotlib", title: str | None = None, **kwargs: Any
    ) -> Any:
        """Make a page with the regions over the mean image, their table, and the parameters.

        Parameters
        ----------
        engine
            Another one than ``matplotlib`` is ignored, with a warning.
        title
            Heading of the page; the name of the class unless given.
        **kwargs
            ``displayed_maps``, or ``displayed_spheres``: how many, a list of numbers, or
            ``"all"``, which it is unless given.
        """
        shown = kwargs.pop(self._SHOWS, "all")
        if self.reports and self.__sklearn_is_fitted__():  # type: ignore[attr-defined]
            n_regions = len(self._page_parts()["drawn"].table)
            self._shown, told = _chosen(self._SHOWS, shown, n_regions)
            for text in told:
                warnings.warn(text, stacklevel=2)
        try:
            return super().generate_report(engine, title, **kwargs)  # type: ignore[misc]
        finally:
            # A report leaves the masker as it was.
            vars(self).pop("_shown", None)

    def _page_parts(self) -> dict[str, Any]:
        return {"drawn": self._drawn(self._shown)}  # type: ignore[attr-defined]


def _chosen(name: str, shown: Any, n_regions: int) -> tuple[list[int], list[str]]:
    """Numbers of the regions to show, and texts of warnings."""
    what = name.removeprefix("displayed_").removesuffix("s")
    several = isinstance(shown, (list, np.ndarray))
    whole = several and all(isinstance(one, (int, np.integer)) for one in shown)
    known_text = isinstance(shown, str) and shown == "all"
    if not (whole or known_text or isinstance(shown, int)):
        kind = type(shown).__name__
        raise TypeError(
            f"Parameter '{name}' of generate_report() should be either 'all' or a positive 'int', "
            f"or a list/array of ints. You provided a {kind}: {shown!r}."
        )
    if not several:
        count = n_regions if known_text else int(shown)
        if count <= n_regions:
            return list(range(count)), []
        return list(range(n_regions)), [
            f"There are {n_regions} {what}(s): '{name}={shown}' was set to {n_regions}."
        ]
    known = [int(one) for one in shown if 0 <= one < n_regions]
    unknown = [int(one) for one in shown if not 0 <= one < n_regions]
    if not unknown:
        return known, []
    return known, [
        f"Report cannot display the following {what}s, {unknown}: there are {n_regions} "
        f"{what}(s), counted from 0."
    ]
