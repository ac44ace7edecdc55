"""The sessions that check this repository."""
