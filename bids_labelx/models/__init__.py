"""Group models: designs of covariates, contrasts, and the edges that follow them."""
