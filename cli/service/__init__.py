"""What `run` and `demo` share: the served streams, signals and the service manager."""
