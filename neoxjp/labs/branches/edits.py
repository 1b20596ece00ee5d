"""Text into a branch: an edit in the middle, before which all tokens keep their ids; words that are forced, and their price."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from neoxjp.engine import (
    LN2,
    SCORE_CHUNK,
    LanguageModel,
    Step,
    bos_ids,
    check_ids,
    forward_one,
    token_statistics,
    token_text_function,
)
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.labs.branches.records import Tree
from neoxjp.tokenizer import decode_each

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer


@dataclass(frozen=True)
class Edited:
    """What an edit did to the ids of a text."""

    ids: tuple[int, ...]  # the new text
    kept: int  # ids at the front that are as they were
    cut_anew: tuple[int, int]  # [start, end) of the new ids that come from the edit
    replaced: tuple[int, int]  # [start, end) of the old ids in their place
    agree_from: int | None  # the new ids from here on are the old ones again; None: they are not
    text: str  # what the new ids decode to
    lossy: bool  # that is not what was typed: 慶應 comes back as 慶応


def edited(ids: Sequence[int], text: str, tokenizer: "GPTNeoXJapaneseTokenizer", pieces: Sequence[str] | None = None) -> Edited:
    """The ids of a text after it was edited to `text`.

    pieces: what was shown for each id, joined the text before the edit (`shown_pieces`); None: what the ids decode to.
    """
    old = tuple(ids)
    byte_values = tokenizer.vocabulary.byte_values
    shown = decoded_pieces(old, tokenizer) if pieces is None else pieces
    same = _shared("".join(shown), text)
    kept = length = cut = 0
    for count, (id, piece) in enumerate(zip(old, shown, strict=True), 1):
        length += len(piece)
        if length > same:
            break
        if piece or byte_values[id] < 0:  # the bytes of a character stay together: their text stands at the last one
            kept, cut = count, length
    new = (*old[:kept], *tokenizer.encode(text[cut:]))
    back = _shared(old[kept:][::-1], new[kept:][::-1])
    end = len(new) - back
    found = tokenizer.decode(new, skip_special_tokens=True)
    return Edited(new, kept, (kept, end), (kept, len(old) - back), end if back else None, found, found != text)


def decoded_pieces(ids: Sequence[int], tokenizer: "GPTNeoXJapaneseTokenizer") -> list[str]:
    """The text of each id, that of a special one being ""; a character of several bytes stands at its last one."""
    special = set(tokenizer.all_special_ids)
    texts = decode_each(ids, tokenizer.vocabulary.texts, tokenizer.vocabulary.byte_values)
    return ["" if id in special else text for id, text in zip(ids, texts, strict=True)]


def shown_pieces(ids: Sequence[int], prompt: str, tokenizer: "GPTNeoXJapaneseTokenizer") -> list[str]:
    """The text of each id where a prompt stands as it was typed: 慶應 is id 17749, which decodes to 慶応.

    What follows the prompt's ids, and all where the ids do not begin with them, is as it decodes.
    """
    tokens = tokenizer.analyze(prompt)
    count = len(tokens)
    if [token.id for token in tokens] != list(ids[:count]):
        return decoded_pieces(ids, tokenizer)
    pieces = [prompt[token.start : token.end] for token in tokens]
    for place in range(count - 1):
        if tokens[place].start == tokens[place + 1].start:  # one character in several tokens
            pieces[place] = ""
    return pieces + decoded_pieces(ids[count:], tokenizer)


def branch_pieces(tree: Tree, key: int, tokenizer: "GPTNeoXJapaneseTokenizer") -> list[str]:
    """The text of each id of a branch: what is left of its opening as it was typed, the rest as it decodes."""
    root, *others = tree.path(key)
    if not root.typed:
        return decoded_pieces(tree.ids(key), tokenizer)
    own = min([len(root.ids), *(node.place for node in others)])
    return shown_pieces(root.ids, root.typed, tokenizer)[:own] + decoded_pieces(tree.ids(key)[own:], tokenizer)


def _shared(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How long the beginning is that two sequences share."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def edit(
    tree: Tree, key: int, text: str, tokenizer: "GPTNeoXJapaneseTokenizer", pieces: Sequence[str] | None = None
) -> tuple[Tree, Edited]:
    """A branch with the edited text; where nothing changed, the tree as it is. Arguments as for `edited`."""
    ids = tree.ids(key)
    found = edited(ids, text, tokenizer, pieces)
    return (tree if found.ids == ids else tree.grow(key, found.ids[found.kept :], "edit", found.kept)), found


@dataclass(frozen=True)
class Forced:
    """The price of one token that was put there."""

    id: int
    text: str
    bits: float
    rank: int  # 1: the model would have said so itself
    likeliest: str  # what it found most probable
    likeliest_bits: float


@dataclass(frozen=True)
class Price:
    """What it costs to say something at a place: minus log2 of its probability there, in the model's own distribution."""

    tokens: tuple[Forced, ...]
    bits: float  # together


@torch.inference_mode()
def price(model: LanguageModel, tokenizer: Any, before: Sequence[int], ids: Sequence[int]) -> Price:
    """The price of `ids` behind `before`; behind nothing: behind the bos id.

    Raises PromptTooLong where both do not fit the context, ParameterError for what is no id.
    """
    config = model.config
    front = check_ids(before, config.vocab_size, "before") or bos_ids(config)
    new = check_ids(ids, config.vocab_size, "ids")
    text = (*front, *new)
    context = config.max_position_embeddings
    if len(text) > context:
        raise PromptTooLong(
            f"{len(front)} tokens and the {len(new)} to be forced behind them are more than the context of {context}",
            ja=f"{len(front)} トークンと、その後の {len(new)} トークンは、文脈の長さ {context} に収まりません。",
        )
    name = token_text_function(tokenizer)
    tokens: list[Forced] = []
    cache = model.new_cache()
    for start in range(0, len(text) - 1, SCORE_CHUNK):
        piece = text[start : min(start + SCORE_CHUNK, len(text) - 1)]
        wanted = min(len(piece), start + len(piece) - len(front) + 1)  # its last positions tell the price of a forced id
        logits = forward_one(model, piece, cache, keep=max(1, wanted))
        for row in range(max(0, wanted)):
            id = text[start + len(piece) - wanted + row + 1]
            logprobs, rank, _ = token_statistics(logits[row], id)
            best = int(logprobs.argmax())
            tokens.append(Forced(id, name(id), _bits(logprobs[id]), rank, name(best), _bits(logprobs[best])))
    return Price(tuple(tokens), math.fsum(token.bits for token in tokens))


def price_of(steps: Sequence[Step]) -> Price:
    """The same from the record of the tokens, where that is there already, each step with at least one alternative."""
    tokens = []
    for step in steps:
        best, own = step.top[0], next(choice for choice in step.top if choice.id == step.id)
        assert step.rank is not None
        tokens.append(Forced(step.id, own.text, _bits(own.logprob), step.rank, best.text, _bits(best.logprob)))
    return Price(tuple(tokens), math.fsum(token.bits for token in tokens))


def force(
    tree: Tree, key: int, place: int, text: str, model: LanguageModel, tokenizer: "GPTNeoXJapaneseTokenizer"
) -> tuple[Tree, Price]:
    """A branch with `text` behind the first `place` ids of another, and what the model asks for it; what followed is left off."""
    forced = tokenizer.encode(text)
    if not forced:
        raise ParameterError("there is nothing to force: enter some text", ja="入れる文字列がありません。")
    grown = tree.grow(key, forced, "forced", place)
    return grown, price(model, tokenizer, tree.ids(key)[:place], forced)


def _bits(logprob: Any) -> float:
    return 0.0 - float(logprob) / LN2
