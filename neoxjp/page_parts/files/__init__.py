"""Files that a visitor chooses, uploads and saves."""
