"""One file a model: its request, its rows, its response. Each exposes `router`."""
