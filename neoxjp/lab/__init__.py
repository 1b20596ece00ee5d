"""The tokenizer lab as records: why a cut falls where it falls, what a round trip loses, what a vocabulary holds, what a corpus
costs.

Each file is one question, answered by pure functions; the page (ui/), the API and the command line (commands.py) show the same
records.
"""
