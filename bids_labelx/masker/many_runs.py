"""Transforming a list of runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from bids_labelx.masker.inputs import is_one_run, mask_per_run, one_per_run, positional


class ManyRuns:
    """Transforming a list of runs.

    A class of its own, so that scikit-learn's `set_output` wraps the table of each run, which
    the masker of one run returns, and not the list of them.
    """

    def fit(self, imgs: Any = None, y: None = None) -> Any:
        """Check the parameters and prepare for the space of the first run.

        `imgs` is a list of runs, or one run; see the masker of one run.
        """
        if not is_one_run(imgs):
            imgs = next(iter(imgs), None)
        return super().fit(imgs, y)  # type: ignore[misc]

    def transform(self, imgs: Any, confounds: Any = None, sample_mask: Any = None) -> Any:
        """Extract and clean the signals of a list of runs, or of one; see `transform_imgs`.

        For a single run, confounds and sample mask are those of `transform_single_imgs`, or
        lists of one entry.
        """
        if is_one_run(imgs):
            if isinstance(confounds, list) and len(confounds) == 1:
                confounds = confounds[0]
            if isinstance(sample_mask, list) and len(sample_mask) == 1:
                sample_mask = sample_mask[0]
            return super().transform(imgs, confounds, sample_mask)  # type: ignore[misc]
        n_jobs = self.n_jobs  # type: ignore[attr-defined]
        return self.transform_imgs(imgs, confounds, n_jobs=n_jobs, sample_mask=sample_mask)

    def fit_transform(
        self,
        imgs: Any,
        *given: Any,
        y: Any = None,  # noqa: ARG002
        confounds: Any = None,
        sample_mask: Any = None,
    ) -> Any:
        """Fit to a list of runs, then extract and clean their signals.

        See the masker of one run for what may follow the images.
        """
        # A generator can be gone through only once.
        imgs = imgs if is_one_run(imgs) else list(imgs)
        named = {"confounds": confounds, "sample_mask": sample_mask}
        return self.fit(imgs).transform(imgs, *positional(given, named))

    def transform_imgs(
        self,
        imgs_list: Iterable[Any],
        confounds: Sequence[Any] | None = None,
        n_jobs: int = 1,
        sample_mask: Any = None,
    ) -> list[np.ndarray]:
        """Extract and clean the signals of several runs.

        Parameters
        ----------
        imgs_list : list, tuple or generator of paths, nibabel images and lists of 3D ones
        confounds : list, optional
            One entry for each run, as for `transform_single_imgs`; None among them is allowed.
        n_jobs
            Number of processes, a run each at a time; -1 for one per processor.
        sample_mask : array or list of arrays, optional
            One for all runs, or one for each.

        Returns
        -------
        list of arrays of shape (n_kept, n_elements_)
        """
        self._check_fitted()  # type: ignore[attr-defined]
        runs = list(imgs_list)
        tables = one_per_run("confounds", confounds, len(runs))
        masks = mask_per_run(sample_mask, len(runs))
        one_run = delayed(self._run)  # type: ignore[attr-defined]
        results = Parallel(n_jobs=n_jobs)(
            one_run(*run) for run in zip(runs, tables, masks, strict=True)
        )
        return [super(ManyRuns, self).transform(result) for result in results]  # type: ignore[misc]
