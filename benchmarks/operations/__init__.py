"""What operations show: overload, recovery, SIGTERM under load, kill -9."""
