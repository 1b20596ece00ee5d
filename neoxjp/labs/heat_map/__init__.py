"""Heat map: the probability of each token of a text, and which of two texts is more probable (records: labs/common/heat.py)."""
