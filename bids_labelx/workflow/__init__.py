"""nipype graphs and the thin interfaces that their nodes run."""
