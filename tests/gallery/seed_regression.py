"""The signal of a seed as the regressor of a general linear model of every voxel."""

import numpy as np
from gallery_data import N_VOLUMES, T_R, brain_mask, run_of, seeds
from nilearn.glm.first_level import FirstLevelModel, make_first_level_design_matrix
from nilearn.maskers import NiftiSpheresMasker
from nilearn.reporting import get_clusters_table

run, mask = run_of(subject=8), brain_mask()
masker = NiftiSpheresMasker(
    [seeds()[2]],
    radius=7,
    detrend=True,
    standardize="zscore_sample",
    low_pass=0.1,
    high_pass=0.01,
    t_r=T_R,
    memory="cache",
    memory_level=1,
    verbose=0,
)
seed = masker.fit_transform(run)
design = make_first_level_design_matrix(
    np.arange(N_VOLUMES) * T_R,
    hrf_model="spm",
    add_regs=seed,
    add_reg_names=["seed"],
    drift_model="cosine",
    high_pass=0.01,
)
print(design.shape, design.columns.tolist())
model = FirstLevelModel(t_r=T_R, mask_img=mask, noise_model="ols", verbose=0)
model = model.fit(run_imgs=run, design_matrices=design)
z_map = model.compute_contrast("seed", output_type="z_score")
clusters = get_clusters_table(z_map, stat_threshold=4.0, cluster_threshold=10)
print(clusters[["X", "Y", "Z"]].head(3).to_string())

np.savez("results.npz", seed=seed, z=z_map.get_fdata(), design=design.to_numpy())
