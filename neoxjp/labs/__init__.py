"""Two labs as records. The tokenizer lab: why a cut falls where it falls, what a round trip loses, what a vocabulary holds, what
a corpus costs. The generation lab: what sampling did at a step, texts as a tree of branches, columns side by side, replays, how
likely a text is and where, beams, a look inside.

Each file is one question, answered by pure functions; the page (ui/), the API and the command line (commands.py) show the same
records.
"""
