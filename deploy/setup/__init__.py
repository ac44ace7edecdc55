"""Making a machine fit: this one, a host, a registry server."""
