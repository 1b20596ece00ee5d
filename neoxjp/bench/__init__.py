"""Measurements beside others, one file a table: `neoxjp bench generate | serve | tokenize | quality | load`."""
