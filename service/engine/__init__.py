"""The process that owns the device: models, batches, and the door to them."""
