"""Two labs as records. The tokenizer lab: why a cut falls where it falls, what a round trip loses, what a vocabulary holds, what
a corpus costs. The generation lab: what sampling did at a step, texts as a tree of branches, columns side by side, replays, how
likely a text is and where, beams, a look inside.

Each folder is one question: records.py answers it with pure functions; the page (section.py), the API (endpoints.py) and the
command line (command.py) show the same records.
"""
