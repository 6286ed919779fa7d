"""Files of git-annex, as DataLad keeps them: whether content is there, and fetching it."""
