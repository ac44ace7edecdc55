"""One SSH connection a host, and what goes through it."""
