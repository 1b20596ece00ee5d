"""Beam search as a tree: every candidate of every step, with its scores and what became of it.

    beam_tree(model, tokenizer, ids, num_beams=4, max_new_tokens=20)

The search itself is `neoxjp.model.beam_search`, as in `model.generate(num_beams=…)`; this file only records it.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from neoxjp.engine import bos_ids, check_ids, eos_ids, token_text_function
from neoxjp.errors import ParameterError, prompt_too_long
from neoxjp.model import BeamParams, BeamStep, generate_beams
from neoxjp.sampling import SamplingParams

NUM_BEAMS, NEW_TOKENS = (2, 6), (1, 20)  # ranges of the page and the command; `beam_tree` itself has no upper limit
MAX_LENGTH_PENALTY = 20  # beyond it, scores of long texts overflow
IMPOSSIBLE = -5e8  # nats: a total below it marks a beam that does not exist yet, or a token that a filter removed

Outcome = Literal["continued", "dead_end", "unfinished", "finished", "outscored", "pruned"]


@dataclass(frozen=True, slots=True)
class Node:
    """A candidate: the text of its parent and one more token.

    outcome: "continued" it was kept, and a continuation was kept or finished; "dead_end" it was kept, but all its continuations
    were pruned; "unfinished" it was still running when the search stopped; "finished" it ended and is one of the n best;
    "outscored" it ended, but n finished texts score higher, or it was not among the n most probable of its step; "pruned" n other
    candidates of its step were more probable.
    """

    step: int  # from 1: the number of new tokens
    parent: int | None  # index in BeamTree.nodes; None: the prompt
    id: int
    text: str  # of the token; the piece, like "<|byte240|>", where a token is not text by itself
    logprob: float  # nats, of this token
    total: float  # nats, sum over all new tokens: running candidates, all of one length, are compared by it
    score: float  # total / step ** length_penalty: finished texts are compared by it
    outcome: Outcome
    pruned_at: int | None  # step at which the last candidate that descends from it was pruned; None: one finished or still ran


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A finished text."""

    node: int  # index in BeamTree.nodes
    ids: tuple[int, ...]  # new ones, including the end token
    text: str  # of the new ids, without special tokens
    total: float  # nats, without the length penalty
    score: float  # with it
    finish: Literal["eos", "length"]


@dataclass(frozen=True, slots=True)
class BeamTree:
    """A complete search. Nodes are ordered by step, within a step by probability."""

    prompt_ids: tuple[int, ...]
    beams: BeamParams
    params: SamplingParams  # the defaults: no penalty and no filter
    nodes: tuple[Node, ...]
    hypotheses: tuple[Hypothesis, ...]  # best first: the first is the result of `generate`
    stopped: Literal["length", "no_better"]  # max_new_tokens was reached; or no running candidate was expected to win


def beam_tree(
    model: Any, tokenizer: Any, ids: Sequence[int], *, num_beams: int, max_new_tokens: int, length_penalty: float = 1.0
) -> BeamTree:
    """Search as `model.generate(num_beams=…)` does with the same options, and record every candidate.

    Args:
        tokenizer: for the texts; None leaves them "".
        ids: of the prompt; empty: the bos id alone.
        num_beams: at least 1, which is greedy search.
        length_penalty: above 0 favours long texts, below 0 short ones.

    Raises:
        ParameterError: an option out of its range, an id outside the vocabulary.
        PromptTooLong: prompt and new ids do not fit the context.
    """
    config = model.config
    prompt = check_ids(ids, config.vocab_size) or bos_ids(config)
    _check(len(prompt), config.max_position_embeddings, num_beams, max_new_tokens, length_penalty)
    params = SamplingParams()
    beams = BeamParams(num_beams, max_new_tokens, eos_ids(params, config), length_penalty)
    rounds: list[BeamStep] = []
    generate_beams(model, prompt, beams, params, watch=rounds.append)
    return _TreeBuilder(beams, tokenizer).tree(prompt, params, rounds)


class _TreeBuilder:
    """Nodes while the search runs: outcomes are known only later."""

    def __init__(self, beams: BeamParams, tokenizer: Any):
        self.beams, self.tokenizer, self.name = beams, tokenizer, token_text_function(tokenizer)
        self.nodes: list[Node] = []
        self.paths: list[tuple[int, ...]] = []  # new ids of each node
        self.running: list[int | None] = [None]  # the node of each running text; None at first: the prompt
        self.complete: dict[tuple[int, ...], int] = {}  # nodes in the list of finished texts

    def tree(self, prompt: tuple[int, ...], params: SamplingParams, rounds: Sequence[BeamStep]) -> BeamTree:
        for step in rounds:
            self.add(step)
        self.follow()
        found = tuple(self.hypothesis(node) for node in self.complete.values())
        full = rounds[-1].count == self.beams.max_new_tokens
        return BeamTree(prompt, self.beams, params, tuple(self.nodes), found, "length" if full else "no_better")

    def add(self, step: BeamStep) -> None:
        places: dict[int, int] = {}  # continuation → node
        for at, (parent, id, total, ends) in enumerate(zip(step.parents, step.ids, step.scores, step.ends, strict=True)):
            if total <= IMPOSSIBLE:
                continue
            above = self.running[parent]
            before = (0.0, ()) if above is None else (self.nodes[above].total, self.paths[above])
            outcome: Outcome = "outscored" if ends else "unfinished" if at in step.survivors else "pruned"
            pruned_at = None if outcome == "unfinished" else step.count
            places[at] = len(self.nodes)
            scores = (total - before[0], total, total / step.count**self.beams.length_penalty)
            self.nodes.append(Node(step.count, above, id, self.name(id), *scores, outcome, pruned_at))
            self.paths.append((*before[1], id))
        fresh = {self.paths[place]: place for at, place in places.items() if step.ends[at]}
        known = fresh | self.complete
        now = {text.ids: known[text.ids] for text in step.finished if text.ids in known}
        for ids, place in known.items():
            if ids in now:
                self.change(place, outcome="finished", pruned_at=None)
            elif ids in self.complete:
                self.change(place, outcome="outscored", pruned_at=step.count)
        self.complete = now
        self.running = [places.get(at, -1) for at in step.survivors]

    def follow(self) -> None:
        """Fill in the outcomes of candidates that were kept, from the last step to the first."""
        children: dict[int | None, list[Node]] = {}
        for place in reversed(range(len(self.nodes))):
            node = self.nodes[place]
            if own := children.get(place):
                ends = [child.pruned_at for child in own]
                pruned_at = None if None in ends else max(end for end in ends if end is not None)
                kept = any(child.outcome not in ("pruned", "outscored") or child.pruned_at != child.step for child in own)
                self.change(place, outcome="continued" if kept else "dead_end", pruned_at=pruned_at)
            elif node.outcome == "unfinished" and node.step < self.nodes[-1].step:
                self.change(place, outcome="dead_end", pruned_at=node.step + 1)
            children.setdefault(node.parent, []).append(self.nodes[place])

    def change(self, place: int, **fields: Any) -> None:
        self.nodes[place] = dataclasses.replace(self.nodes[place], **fields)

    def hypothesis(self, place: int) -> Hypothesis:
        node, ids = self.nodes[place], self.paths[place]
        text = self.tokenizer.decode(ids, skip_special_tokens=True) if self.tokenizer is not None else ""
        return Hypothesis(place, ids, text, node.total, node.score, "eos" if node.id in self.beams.eos_ids else "length")


def _check(prompt: int, context: int, num_beams: int, new: int, length_penalty: float) -> None:
    for name, value in (("num_beams", num_beams), ("max_new_tokens", new)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ParameterError(
                f"{name}={value!r} must be an integer of at least 1", ja=f"{name}={value!r} は 1 以上の整数にしてください。"
            )
    if not -MAX_LENGTH_PENALTY <= length_penalty <= MAX_LENGTH_PENALTY:
        raise ParameterError(
            f"length_penalty={length_penalty!r} must be a number from {-MAX_LENGTH_PENALTY} to {MAX_LENGTH_PENALTY}",
            ja=f"length_penalty={length_penalty!r} は {-MAX_LENGTH_PENALTY} から {MAX_LENGTH_PENALTY} の範囲で指定してください。",
        )
    if prompt + new > context:
        raise prompt_too_long(prompt, new, context)
