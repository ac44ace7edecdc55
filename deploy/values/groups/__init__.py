"""The keys of the settings, a module for each group of the documentation."""
