"""What the server needs of a model, wherever it runs: in this process (local.py), or elsewhere. Plain records go in and out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from neoxjp.engine import ANYONE, Finish, Step, Visitor
from neoxjp.errors import NotReady
from neoxjp.sampling import SamplingParams

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer


MOST_WAITING = 32  # requests that wait for the model to be loaded


@dataclass(frozen=True)
class Job:
    """One text to write, or one prompt to score."""

    ids: tuple[int, ...]  # of the prompt; () becomes the model's bos id
    params: SamplingParams
    top: int = 0  # how many most probable tokens each Step lists
    prompt_top: int | None = None  # the same for the prompt's tokens; None: they are not scored
    prompt_only: bool = False  # nothing is generated
    at_once: bool = False  # its reader wants all of it at the end: a backend may give one part, and start again where it fails
    visitor: Visitor = ANYONE
    serial: int = 0  # of the model that the ids are for; 0: whichever is loaded
    admitted: bool = False  # of a request that has begun: taken also while the server ends, tried again where the queue is full


@dataclass(frozen=True)
class Part:
    """What is new of a job. The last one has `finish`."""

    steps: tuple[Step, ...] = ()
    prompt: tuple[Step, ...] = ()  # of all tokens of the prompt, where it is scored; once, with the first part
    finish: Finish | None = None
    cached: int = 0  # prompt ids that were in the prefix cache


class Waiters:
    """Those who wait for the model to be loaded, each with the body of a request in memory: `async with waiters:`."""

    def __init__(self) -> None:
        self.waiting = 0

    async def __aenter__(self) -> None:
        """Raises NotReady where `MOST_WAITING` wait."""
        if self.waiting >= MOST_WAITING:
            raise NotReady("the model is still loading, and others wait for it: try again in a moment")
        self.waiting += 1

    async def __aexit__(self, *_: object) -> None:
        self.waiting -= 1


class Run(Protocol):
    """A job that was accepted: iterate it for its parts. It raises what the model raises."""

    def __aiter__(self) -> AsyncIterator[Part]: ...

    async def aclose(self) -> None:
        """End the job; does nothing where it has ended."""


@dataclass(frozen=True)
class ModelCard:
    """What clients may know of the model, and the limits of the server."""

    id: str
    names: tuple[str, ...]  # that a request may call it
    created: int  # Unix seconds
    context: int  # tokens
    vocab_size: int
    bos: int | None  # the id that an empty prompt becomes
    parameters: int
    dtype: str
    quantization: str | None
    cache_dtype: str  # of KV caches
    device: str
    rows_are_independent: bool  # the log probabilities of a text are the same alone and beside others, to the last bit
    jobs: int  # that run at once
    new_tokens: int | None  # of one text; None: up to the context
    characters: int  # of one text
    serial: int = 0  # another number for each model that this process loads

    def record(self) -> dict[str, Any]:
        """An entry of /v1/models."""
        return {
            "id": self.id,
            "object": "model",
            "created": self.created,
            "owned_by": "neoxjp",
            "root": self.id,
            "max_model_len": self.context,
            "vocab_size": self.vocab_size,
            "parameters": self.parameters,
            "dtype": self.dtype,
            "quantization": self.quantization,
            "cache_dtype": self.cache_dtype,
            "device": self.device,
            "rows_are_independent": self.rows_are_independent,
        }


class Backend(Protocol):
    """A model with its tokenizer."""

    async def ready(self) -> ModelCard:
        """The model's card; waits for a model that is being loaded. Raises NotReady."""

    @property
    def tokenizer(self) -> "GPTNeoXJapaneseTokenizer":
        """Raises NotReady."""

    def charge(self, visitor: Visitor, characters: int) -> None:
        """Count the characters that a visitor sends. Raises QueueFull: the visitor has sent too many in a minute."""

    async def open(self, job: Job) -> Run:
        """Accept a job, or raise: QueueFull, ShuttingDown, PromptTooLong, ParameterError, NotReady."""
