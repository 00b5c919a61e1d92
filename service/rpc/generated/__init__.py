"""Made by `make protos`; not edited, not checked."""
