"""Two groups told apart by their connectomes, the masker being a step of the pipeline."""

import numpy as np
from gallery_data import label_atlas, run_of
from nilearn.connectome import ConnectivityMeasure
from nilearn.maskers import MultiNiftiLabelsMasker
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline

groups = np.array([0, 1] * 6)
runs = [run_of(subject, group, n_volumes=50) for subject, group in enumerate(groups)]
pipeline = Pipeline(
    [
        ("extract", MultiNiftiLabelsMasker(label_atlas(), standardize="zscore_sample")),
        ("connect", ConnectivityMeasure(vectorize=True, standardize="zscore_sample")),
        ("classify", LogisticRegression(tol=1e-10, max_iter=1000)),
    ]
)
folds = StratifiedKFold(n_splits=3)
scores = cross_val_score(pipeline, runs, groups, cv=folds)
chance = cross_val_score(DummyClassifier(), np.zeros(12), groups, cv=folds)
print(f"accuracy {scores.mean():.3f}, by chance {chance.mean():.3f}")

search = GridSearchCV(
    pipeline,
    {"extract__detrend": [False, True], "extract__strategy": ["mean", "median"]},
    cv=folds,
).fit(runs, groups)
weights = search.best_estimator_["classify"].coef_
print(search.best_params_, f"{search.best_score_:.3f}")

scored = search.cv_results_["mean_test_score"]
np.savez("results.npz", scores=scores, weights=weights, scored=scored)
