"""The words of the labs, one file a section: `WORDS` maps a key to (Japanese, English)."""

from neoxjp.ui.words import beams, branches, columns, corpus, heat, inside, ledger, lexicon, links, matrix, replay, roundtrip, why

WORDS: dict[str, tuple[str, str]] = {}
for section in (matrix, why, roundtrip, lexicon, corpus, links, ledger, branches, heat, columns, beams, inside, replay):
    assert not WORDS.keys() & section.WORDS.keys(), f"{section.__name__} says again {WORDS.keys() & section.WORDS.keys()}"
    WORDS |= section.WORDS
