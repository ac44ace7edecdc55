"""The embedded registry and hosts that the first command and the tests deploy to."""
