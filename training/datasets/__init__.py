"""One file a data set: `load()` gives arrays, checked against known SHA-256."""
