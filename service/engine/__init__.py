"""The process that owns the device: models, batches, a socket."""
