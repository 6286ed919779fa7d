"""Fit and inverse transform of the labels maskers."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from bids_labelx.extraction.formats import Image
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.regions import STATISTICS, find_regions
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space
from bids_labelx.masker.base import BaseMasker
from bids_labelx.masker.grayordinates import check_kind, check_options
from bids_labelx.masker.images import labels_image, mask_image
from bids_labelx.masker.inputs import Labels, file_name, load_labels_img
from bids_labelx.masker.label_run import LabelRecipe, lay_labels, missing_message
from bids_labelx.masker.label_tables import label_table, table_beside, with_background


class LabelsMasker(BaseMasker):
    """Signals of the regions of a label image; subclasses define `__init__`."""

    _TARGETS: ClassVar[tuple[str | None, ...]] = ("data", "labels", None)

    labels_img: Image | None
    labels: list[str] | None
    background_label: int | float
    resampling_target: Literal["data", "labels"] | None
    strategy: str
    lut: Any
    lost_labels: Literal["nan"] | None
    keep_masked_labels: bool

    _recipe: LabelRecipe
    _space: Space
    _table: pd.DataFrame

    def _make_recipe(self) -> LabelRecipe:
        shared = self._shared()
        if self.strategy not in STATISTICS:
            raise ValueError(
                f"Invalid strategy '{self.strategy}': 'strategy' must be one of {STATISTICS}"
            )
        self._check_among("lost_labels", (None, "nan"))
        if not float(self.background_label).is_integer():
            raise ValueError(f"background_label is a whole number, got {self.background_label}")
        background = int(self.background_label)
        if self.labels_img is None:
            raise TypeError(
                "input should be a NiftiLike object: labels_img is None, and `fit` needs a label "
                "image"
            )
        self._say(f"Loading regions from {file_name(self.labels_img)}")
        image = load_labels_img(self.labels_img, background)
        labels, space = image.values, image.space
        mask = self._loaded_mask()
        check_options(
            space, None if mask is None else mask[1], self.smoothing_fwhm, self.resampling_target
        )
        present = np.setdiff1d(labels, [background])
        self._table = self._label_table(present, image)
        self.lut_ = with_background(self._table, background, self.lut)
        listed = self._table["index"].to_numpy(np.int64)
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
            keep_masked_labels=self.keep_masked_labels,
            **shared,
        )

    def _label_table(self, present: np.ndarray, image: Labels) -> pd.DataFrame:
        """``index`` and ``name`` of all labels but the background, given those in the image."""
        lut, own = self.lut, image.table
        if lut is None and self.labels is None and own is None:
            lut = table_beside(self.labels_img)
        return label_table(present, self._background, self.labels, lut, own)

    @property
    def _background(self) -> int:
        return int(self.background_label)

    def _fit_to(self, data: RunData | None) -> tuple[Space, np.ndarray, list[str]]:
        recipe = self._recipe
        space, name = recipe.labels_space, "labels_img"
        if data is not None:
            check_kind(data, space)
            if self.resampling_target != "labels":
                space, name = data.space, data.name
        fitting = data is None and self.resampling_target == "data"
        self._labelled = labelled = lay_labels(recipe, space, name, fitting=fitting)
        if not space.same(recipe.labels_space):
            self._say("Resampling regions")
        if recipe.mask is not None and not space.same(recipe.mask[1]):
            self._say("Resampling mask")
        regions, background = self._table, recipe.background
        self.labels_img_ = labels_image(labelled.labels, space, regions, background)
        self.region_atlas_ = labels_image(labelled.masked, space, regions, background)
        self.mask_img_ = None if labelled.mask is None else mask_image(labelled.mask, space)
        columns = recipe.columns(labelled)
        # A mask that leaves nothing of the labels may leave some of them in the images' space.
        columns = columns if columns.size else labelled.present
        return space, columns, [missing_message(recipe, labelled)]

    def _describe_columns(self, columns: np.ndarray) -> None:
        names = dict(zip(self._table["index"], self._table["name"], strict=True))
        background = self._recipe.background
        self.n_elements_ = int(columns.size)
        ids: dict[Any, int] = dict(enumerate(columns.tolist()))
        self.region_ids_ = {"background": background, **ids}
        self.region_names_ = {k: names[one] for k, one in ids.items()}
        first = [background] if self._recipe.has_background else []
        self.labels_ = [*first, *ids.values()]

    def _spread(self, signals: np.ndarray) -> np.ndarray:
        regions = find_regions(self._labelled.labels, self._columns, self._labelled.mask)
        values = np.zeros((self._space.n_elements, *signals.shape[:-1]))
        values[regions.elements] = signals.T[regions.columns]
        return values

    def _page_parts(self) -> dict[str, Any]:
        return {"labelled": self._labelled, "table": self._table}
