"""The data that pictures are drawn from, by a page's script or into a file."""
