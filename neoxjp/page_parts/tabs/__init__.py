"""The components of the tabs and of their labs."""
