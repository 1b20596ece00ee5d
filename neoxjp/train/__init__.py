"""Build a vocabulary, pack text, train a model, measure it: `python -m neoxjp.train --help`."""
