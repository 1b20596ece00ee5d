"""Beam search as a tree: every continuation that was weighed, which ran on, which ended, and when the others were lost.

    grow(model, tokenizer, ids, num_beams=4, max_new_tokens=20)

The search itself is beam.py's, which `model.generate(num_beams=…)` runs too; here it is only watched.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from neoxjp.engine.records import bos_of, checked_ids, eos_of, namer
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.model.beam_search import BeamParams, Round, beam_search
from neoxjp.sampling.sampler import SamplingParams

MOST_BEAMS, MOST_NEW = (2, 6), (1, 20)  # what the page and the command may ask for; from Python there is no limit
STEEPEST = 20  # length penalties beyond it are no longer numbers for long texts
REAL = -5e8  # nats: below it are the places of beams that are not there yet, and what a filter removed

Fate = Literal["followed", "died", "stopped", "finished", "outdone", "dropped"]


@dataclass(frozen=True, slots=True)
class Node:
    """A text that was weighed: that of its parent and one token more.

    fate: "followed" it ran on, and a continuation of it ran on or ended; "died" it ran on, and all its continuations were too
    unlikely; "stopped" it still ran when the search was over; "finished" it ended and is one of the n best; "outdone" it ended,
    but n better ones are, or it was not among the n likeliest of its step; "dropped" n likelier ones ran on.
    """

    step: int  # from 1: tokens of its text, the prompt not counted
    parent: int | None  # place in Tree.nodes; None: the prompt
    id: int
    text: str  # the token's; the piece, like "<|byte240|>", where it is no text alone
    logprob: float  # nats, of this token, after penalties (and filters, where it was sampled)
    score: float  # nats, sum of all tokens' after the prompt: by it running texts are compared, all of one length
    penalised: float  # score / step ** length_penalty: by it finished texts are compared
    fate: Fate
    died: int | None  # the step in which the last text of its line was lost; None: one finished, or ran at the end


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A finished text."""

    node: int  # place in Tree.nodes
    ids: tuple[int, ...]  # new ones, the end token included
    text: str  # of the new ids, without special tokens
    score: float  # nats, without the length penalty
    penalised: float  # with it
    end: Literal["eos", "length"]


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole search. The nodes of step t stand behind those of t - 1, the likeliest (when sampled: first drawn) first."""

    prompt_ids: tuple[int, ...]
    beams: BeamParams
    params: SamplingParams
    nodes: tuple[Node, ...]
    hypotheses: tuple[Hypothesis, ...]  # best first: the first is what generate gives
    over: Literal["length", "settled"]  # every text is as long as may be, or no running one was expected to beat the finished


def grow(
    model: Any,
    tokenizer: Any,
    ids: Sequence[int],
    *,
    num_beams: int,
    max_new_tokens: int,
    length_penalty: float = 1.0,
    early_stopping: bool | Literal["never"] = False,
    params: SamplingParams | None = None,
) -> Tree:
    """Search as `model.generate(num_beams=…)` does with the same options, and keep all that was seen on the way.

    Args:
        tokenizer: for the texts; None leaves them "".
        ids: of the prompt; none: the bos id alone.
        num_beams: from 1 (the greedy text, where nothing is sampled).
        length_penalty: above 0 favours long texts, below short ones.
        params: penalties, min_new_tokens, eos_token_id; with do_sample the filters and the seed (None: one is drawn).

    Raises:
        ParameterError: an option out of its range, an id outside the vocabulary.
        PromptTooLong: prompt and new ids do not fit the context.
    """
    config = model.config
    prompt = checked_ids(ids, config.vocab_size) or bos_of(config)
    _check(len(prompt), config.max_position_embeddings, num_beams, max_new_tokens, length_penalty, early_stopping)
    params = params or SamplingParams()
    generator = None
    if not params.greedy:
        seed = int(torch.randint(2**63 - 1, ())) if params.seed is None else params.seed
        params, generator = dataclasses.replace(params, seed=seed), torch.Generator().manual_seed(seed)
    beams = BeamParams(num_beams, max_new_tokens, eos_of(params, config), length_penalty, early_stopping)
    rounds: list[Round] = []
    beam_search(model, prompt, beams, params, generator, rounds.append)
    return _Growing(beams, tokenizer).tree(prompt, params, rounds)


class _Growing:
    """The tree while rounds are added to it: fields of Node in lists, since fates are known later."""

    def __init__(self, beams: BeamParams, tokenizer: Any):
        self.beams, self.tokenizer, self.name = beams, tokenizer, namer(tokenizer)
        self.nodes: list[Node] = []
        self.paths: list[tuple[int, ...]] = []  # new ids of each node
        self.running: list[int | None] = [None]  # the node of each running text; None at first: the prompt
        self.complete: dict[tuple[int, ...], int] = {}  # nodes in the list of finished texts

    def tree(self, prompt: tuple[int, ...], params: SamplingParams, rounds: Sequence[Round]) -> Tree:
        for step in rounds:
            self.add(step)
        self.follow()
        found = tuple(self.hypothesis(node) for node in self.complete.values())
        over: Literal["length", "settled"] = "length" if rounds[-1].count == self.beams.max_new_tokens else "settled"
        return Tree(prompt, self.beams, params, tuple(self.nodes), found, over)

    def add(self, step: Round) -> None:
        places: dict[int, int] = {}  # continuation → node
        for at, (parent, id, score, ends) in enumerate(zip(step.parents, step.ids, step.scores, step.ends, strict=True)):
            if score <= REAL:
                continue
            above = self.running[parent]
            before = (0.0, ()) if above is None else (self.nodes[above].score, self.paths[above])
            fate: Fate = "outdone" if ends else "stopped" if at in step.kept else "dropped"
            died = None if fate == "stopped" else step.count
            places[at] = len(self.nodes)
            penalised = score / step.count**self.beams.length_penalty
            named = (self.name(id), score - before[0], score, penalised)
            self.nodes.append(Node(step.count, above, id, *named, fate, died))
            self.paths.append((*before[1], id))
        fresh = {self.paths[place]: place for at, place in places.items() if step.ends[at]}
        known = fresh | self.complete
        now = {text.ids: known[text.ids] for text in step.finished if text.ids in known}
        for ids, place in known.items():
            if ids in now:
                self.change(place, fate="finished", died=None)
            elif ids in self.complete:
                self.change(place, fate="outdone", died=step.count)
        self.complete = now
        self.running = [places.get(at, -1) for at in step.kept]

    def follow(self) -> None:
        """Running texts become what came of them, from the last to the first."""
        children: dict[int | None, list[Node]] = {}
        for place in reversed(range(len(self.nodes))):
            node = self.nodes[place]
            own = children.get(place, [])
            if own:
                deaths = [child.died for child in own]
                died = None if None in deaths else max(death for death in deaths if death is not None)
                lived = any(child.fate not in ("dropped", "outdone") or child.died != child.step for child in own)
                self.change(place, fate="followed" if lived else "died", died=died)
            elif node.fate == "stopped" and node.step < self.nodes[-1].step:
                self.change(place, fate="died", died=node.step + 1)
            children.setdefault(node.parent, []).append(self.nodes[place])

    def change(self, place: int, **fields: Any) -> None:
        self.nodes[place] = dataclasses.replace(self.nodes[place], **fields)

    def hypothesis(self, place: int) -> Hypothesis:
        node, ids = self.nodes[place], self.paths[place]
        text = self.tokenizer.decode(ids, skip_special_tokens=True) if self.tokenizer is not None else ""
        return Hypothesis(place, ids, text, node.score, node.penalised, "eos" if node.id in self.beams.eos_ids else "length")


def _check(prompt: int, context: int, num_beams: int, new: int, length_penalty: float, early_stopping: object) -> None:
    for name, value in (("num_beams", num_beams), ("max_new_tokens", new)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ParameterError(
                f"{name}={value!r} must be a whole number from 1 upwards", ja=f"{name}={value!r} は 1 以上の整数にしてください。"
            )
    if not -STEEPEST <= length_penalty <= STEEPEST:
        raise ParameterError(
            f"length_penalty={length_penalty!r} must be a number from {-STEEPEST} to {STEEPEST}",
            ja=f"length_penalty={length_penalty!r} は {-STEEPEST} から {STEEPEST} までの数にしてください。",
        )
    if early_stopping not in (True, False, "never"):
        raise ParameterError(f"early_stopping={early_stopping!r} must be True, False or 'never'")
    if prompt + new > context:
        raise PromptTooLong(
            f"the prompt has {prompt} tokens and max_new_tokens={new} was asked for, but the context is {context}: shorten one "
            "of the two",
            ja=f"プロンプトの {prompt} トークンと新しい {new} トークンは、文脈の長さ {context} に収まりません。",
        )
