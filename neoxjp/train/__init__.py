"""Build a vocabulary, pack text, train a model, measure it: what `neoxjp train`, `evaluate` and `train-vocabulary` run."""
