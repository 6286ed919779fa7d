"""The output dataset: names, sidecars, and reading back what was written."""
