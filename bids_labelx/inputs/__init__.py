"""The input dataset: its runs, with the mask, confounds and metadata of each."""
