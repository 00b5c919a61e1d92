"""Pictures of what a training run gave: arrays in, PNG bytes out."""
