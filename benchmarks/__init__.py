"""What the service does on this machine: `make bench` measures and writes it down."""
