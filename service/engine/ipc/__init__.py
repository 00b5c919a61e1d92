"""Between HTTP processes and the engine: frames on a Unix socket."""
