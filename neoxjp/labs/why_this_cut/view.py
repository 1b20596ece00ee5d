"""Values for view.html: the text around a position, the reason as a sentence."""

from neoxjp.labs.common.glyphs import glyphs
from neoxjp.labs.common.templates import Words, render
from neoxjp.labs.why_this_cut.records import Cuts, TokenReason, WhatIf, Word
from neoxjp.tokenizer import KIGOU_RANGES

TEMPLATE = "labs/why_this_cut/view.html"
AROUND = 14  # characters shown on either side of the window


def explanation(cuts: Cuts, found: TokenReason, t: Words) -> str:
    """One position: the window in the text, the candidates, and the reason."""
    vocabulary = cuts.tokenizer.vocabulary
    names = [vocabulary.spellings[id][0] for id in found.ids] if found.winner is None else []
    end = max([found.end, *(candidate.end for candidate in found.candidates)])  # of the window
    values = {"text": cuts.text, "end": end, "around": AROUND, "size": len(vocabulary), "names": names}
    return render(TEMPLATE, "explanation", t, found=found, total=len(cuts), sentence=sentence(found, cuts, t), **values)


def sentence(found: TokenReason, cuts: Cuts, t: Words) -> str:
    """The reason in one or two sentences."""
    surface, id = found.surface, found.ids[0]
    known = [candidate.piece for candidate in found.candidates if candidate.id is not None]
    piece = found.candidates[found.winner].piece if found.winner is not None else known[0] if known else ""
    values = {"piece": plain(surface), "tag": piece}
    reason = found.rule.split()[0]  # "smallest id" → "smallest"
    if reason in ("smallest", "only"):
        values = {"piece": plain(piece), "id": f"{id:,}", "n": str(len(known))}
        if reason == "smallest" and any(len(other) > len(piece) for other in known):
            reason = "shorter"
    elif reason == "byte":
        pieces = (cuts.tokenizer.vocabulary.spellings[each][0] for each in found.ids)
        written = [f"{int(''.join(filter(str.isdigit, piece))):02X}" for piece in pieces]
        values |= {"n": str(len(written)), "bytes": " ".join(written)}
        reason = "surrogate" if "\ud800" <= surface <= "\udfff" else reason
    elif reason == "symbol":
        values["code"] = f"U+{ord(surface[0]):04X}"
        reason = "kigou" if any(low <= ord(surface[0]) <= high for low, high in KIGOU_RANGES) else reason
    elif reason in ("emoji", "blank", "tag"):
        typed = surface == piece  # the tag itself is in the text
        reason = "tag" if typed else "cleaned" if reason == "tag" else reason
    return t(f"why_this_cut_because_{reason}", **values)


def tried(found: WhatIf, cuts: Cuts, t: Words) -> str:
    """What a replaced character changes: a sentence, and the tokens before and after."""
    now = plain(found.replacement)
    if not found.replacement or found.before == found.after:
        return render(TEMPLATE, "unchanged", t, now=now)
    key = f"why_this_cut_try_{'stays' if found.same else 'changes'}{'' if found.was else '_end'}"
    sentence = t(key, was=plain(found.was), now=now, piece=plain(found.token.surface), id=" ".join(map(str, found.token.ids)))
    pairs = (("why_this_cut_try_before", found.before), ("why_this_cut_try_after", found.after))
    rows = [(key, parts, sum(len(part.ids) for part in parts)) for key, parts in pairs]
    most, rest = max(n for *_, n in rows), found.last < len(cuts.text)
    return render(TEMPLATE, "tried", t, found=found, sentence=sentence, rows=rows, most=most, rest=rest)


def word(found: Word, t: Words) -> str:
    """The word, its tokens, and the entries close to it."""
    return render(TEMPLATE, "word", t, found=found, plain=plain)


def plain(text: str) -> str:
    """A text for a sentence: the first 40 characters, invisible ones as signs."""
    return "".join(shown for shown, _ in glyphs(text[:40])) + ("…" if len(text) > 40 else "")
