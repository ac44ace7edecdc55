"""Listeners to the stream of events, and the data that tasks print."""
