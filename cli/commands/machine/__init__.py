"""Commands about this machine and its configuration."""
