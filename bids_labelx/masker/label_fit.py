"""Fit and inverse transform of the labels maskers."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from bids_labelx.extraction.formats import Image
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.regions import STATISTICS, find_regions
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space
from bids_labelx.masker.base import BaseMasker
from bids_labelx.masker.grayordinates import check_kind, check_options
from bids_labelx.masker.images import labels_image, mask_image
from bids_labelx.masker.inputs import label_table, load_labels_img, load_mask_img
from bids_labelx.masker.label_run import LabelRecipe, lay_labels, missing_message


class LabelsMasker(BaseMasker):
    """Signals of the regions of a label image; subclasses define `__init__`."""

    _TARGETS: ClassVar[tuple[str | None, ...]] = ("data", "labels", None)

    labels_img: Image
    labels: list[str] | None
    background_label: int | float
    resampling_target: Literal["data", "labels"] | None
    strategy: str
    lut: Any
    lost_labels: Literal["nan"] | None

    _recipe: LabelRecipe

    def _make_recipe(self) -> LabelRecipe:
        shared = self._shared()
        if self.strategy not in STATISTICS:
            raise ValueError(f"Invalid strategy '{self.strategy}'. Valid ones are {STATISTICS}.")
        self._check_among("lost_labels", (None, "nan"))
        if not float(self.background_label).is_integer():
            raise ValueError(f"background_label is a whole number, got {self.background_label}")
        background = int(self.background_label)
        labels, space, own = load_labels_img(self.labels_img, background)
        mask = None if self.mask_img is None else load_mask_img(self.mask_img)
        check_options(
            space, None if mask is None else mask[1], self.smoothing_fwhm, self.resampling_target
        )
        present = np.setdiff1d(labels, [background])
        self.lut_ = label_table(present, background, self.labels, self.lut, own)
        listed = self.lut_["index"].to_numpy(np.int64)[1:]
        if isinstance(space, Grayordinates):
            shared["smoothing_fwhm"] = None
        return LabelRecipe(
            labels=labels,
            labels_space=space,
            known=present,
            ids=listed if self.lost_labels == "nan" else present,
            mask=mask,
            background=background,
            strategy=self.strategy,
            resampling_target=self.resampling_target,
            lost_labels=self.lost_labels,
            **shared,
        )

    def _fit_to(self, data: RunData | None) -> tuple[Space, np.ndarray, list[str]]:
        recipe = self._recipe
        space, name = recipe.labels_space, "labels_img"
        if data is not None:
            check_kind(data, space)
            if self.resampling_target != "labels":
                space, name = data.space, data.name
        self._labelled = labelled = lay_labels(recipe, space, name)
        regions, background = self.lut_.iloc[1:], recipe.background
        self.labels_img_ = labels_image(labelled.labels, space, regions, background)
        self.region_atlas_ = labels_image(labelled.masked, space, regions, background)
        self.mask_img_ = None if labelled.mask is None else mask_image(labelled.mask, space)
        return space, recipe.columns(labelled), [missing_message(recipe, labelled)]

    def _describe_columns(self, columns: np.ndarray) -> None:
        names = dict(zip(self.lut_["index"], self.lut_["name"], strict=True))
        self.n_elements_ = int(columns.size)
        ids: dict[Any, int] = dict(enumerate(columns.tolist()))
        self.region_ids_ = {"background": self._recipe.background, **ids}
        self.region_names_ = {k: names[one] for k, one in ids.items()}

    def _spread(self, signals: np.ndarray) -> np.ndarray:
        regions = find_regions(self._labelled.labels, self._columns, self._labelled.mask)
        values = np.zeros((self._space.n_elements, *signals.shape[:-1]))
        values[regions.elements] = signals.T[regions.columns]
        return values

    def _page_parts(self) -> dict[str, Any]:
        return {"labelled": self._labelled, "table": self.lut_.iloc[1:]}
