"""Statistics over participants: pure functions of arrays of edges, which know no files."""
