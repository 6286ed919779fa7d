"""Files of datasets in object stores and on web servers, through fsspec."""
