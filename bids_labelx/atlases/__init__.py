"""Atlases: where they come from, their label tables, and which go with which run."""
