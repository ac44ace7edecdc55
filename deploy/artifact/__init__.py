"""From source to a pushed image; knows nothing of hosts."""
