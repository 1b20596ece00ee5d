"""What the page has loaded, the state of loading, and how much a visitor may ask for. No Gradio.

There is one `Playground` per process: all visitors share its model. Loading runs in the background: the tokenizer is ready
first, the model later, and an old model stays until the new one is complete.
"""

import gc
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

from neoxjp.errors import NeoxjpError, NotReady
from neoxjp.hub import BUNDLED, bundled_path
from neoxjp.model import check_memory, free_memory, gib, weight_bytes
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.visitors import Visitors
from neoxjp.sampling import OPTIONS, Option

if TYPE_CHECKING:
    from neoxjp.engine import Engine, LogitsCache, Observer, TextEngine
    from neoxjp.model import GPTNeoXJapaneseForCausalLM
    from neoxjp.page_parts.remote.engine import RemoteEngine
    from neoxjp.page_parts.remote.model import RemoteModel
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

log = logging.getLogger(__name__)

Need = Literal["vocabulary", "model"]
P = ParamSpec("P")
T = TypeVar("T")
LOADING = "neoxjp-load"  # name of the thread that loads a model
POLL_SECONDS = 0.1  # between two checks while a call waits for a model
PREFIX_BYTES, PREFIX_CONTEXTS = 256 * 2**20, 4  # for cached prefixes: at most the larger of these bytes and full contexts
UNREAD_BYTES = 64 * 2**20  # of answers that visitors have not read yet
LOGITS_BYTES = 64 * 2**20  # of the last texts (engine.LogitsCache)
PROGRAM_BYTES = 450 * 2**20
BYTES_PER_CHARACTER = 300  # of a text that is tokenized
TOKENIZED_AT_ONCE = 100
THREADS = 100  # of the web server, at least; each request that waits or streams uses one
SPARE_THREADS = 28  # for all others


@dataclass(frozen=True)
class Choice:
    """What to load and how: the answer to "which model?"."""

    name: str  # a local folder or a Hub id
    revision: str | None = None  # Hub revision: branch, tag or sha
    dtype: str = "auto"  # "auto": as stored; on a CPU the fastest that loses nothing (memory.cpu_dtype)
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", ...
    offline: bool = False  # True: nothing is asked of the Hub
    quantization: str | None = None  # "int8", "int4"
    cache_dtype: str | None = None  # of KV caches: "float32", "float16", "int8"; None: the model's default


def _nothing_kept() -> "LogitsCache":
    from neoxjp.engine import LogitsCache

    return LogitsCache(LOGITS_BYTES)


@dataclass(frozen=True)
class Loaded:
    """A vocabulary and, once it is loaded, its model. It never changes: loading replaces it with another `Loaded`."""

    choice: Choice
    tokenizer: "GPTNeoXJapaneseTokenizer"
    model: "GPTNeoXJapaneseForCausalLM | RemoteModel | None" = None
    engine: "TextEngine | None" = None
    folder: Path | None = None  # with the files, on this machine
    serial: int = 0  # increases with each change
    remote: "RemoteEngine | None" = None  # the engine, where it is in another process
    logits: "LogitsCache" = field(default_factory=_nothing_kept, repr=False, compare=False)  # of its last texts

    @property
    def name(self) -> str:
        """The last part of the name, for titles: "abeja/gpt-neox-japanese-2.7b" → "gpt-neox-japanese-2.7b"."""
        return short_name(self.choice.name)

    @property
    def here(self) -> "Here":
        """The model and the engine of this process. Raises NotReady: there are none."""
        if self.remote is not None or self.model is None:
            raise NotReady("The model is in another process.", ja="モデルは別のプロセスにあります。")
        return Here(self.model, self.engine)  # type: ignore[arg-type]  # of this process

    def source(self, public: bool) -> str:
        """Where the model is from: a Hub id, "bundled", or a folder (in public only the folder's name)."""
        if self.folder is not None and self.folder == bundled_path():
            return "bundled"
        hidden = public and self.folder is not None and str(self.folder) == self.choice.name
        return self.name if hidden else self.choice.name

    def title(self, bundled: str) -> str:
        """The name for titles and legends. bundled: the name to show for the model that comes with the package."""
        return bundled if self.choice.name in (BUNDLED, str(bundled_path())) else self.name


@dataclass(frozen=True)
class Ready(Loaded):
    """A vocabulary with its model, ready to generate."""

    model: "GPTNeoXJapaneseForCausalLM | RemoteModel"
    engine: "TextEngine"

    def call(self, function: "Callable[Concatenate[Ready, P], T]", *given: P.args, **names: P.kwargs) -> T:
        """The result of a function of `calls.CALLS`, run where the model is. Its arguments are given by position.

        Raises:
            EngineAway: that is another process, which does not answer. Otherwise what the function raises.
        """
        return function(self, *given, **names) if self.remote is None else self.remote.call(function, given)


@dataclass(frozen=True)
class Here:
    """A model of this process and its engine."""

    model: "GPTNeoXJapaneseForCausalLM"
    engine: "Engine"


@dataclass(frozen=True)
class Progress:
    """The state of the latest load."""

    state: Literal["idle", "vocabulary", "download", "weights", "ready", "failed"] = "idle"
    asked: str = ""  # the model's name as it was given
    done: int = 0  # bytes of weights downloaded or loaded
    total: int = 0  # bytes of all weights; 0: not known yet
    error: NeoxjpError | None = None  # set with "failed"

    @property
    def name(self) -> str:
        return short_name(self.asked)

    @property
    def busy(self) -> bool:
        return self.state in ("vocabulary", "download", "weights")

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


@dataclass(frozen=True)
class Limits:
    """How much one request may ask for. Handlers enforce it."""

    characters: int = 1_000_000  # of a text to tokenize
    compared: int = 1_000_000  # characters of a text whose spellings are compared
    drawn_pieces: int = 3_000  # token boxes in one view; the rest is only counted
    new_tokens: int | None = None  # of one generation; None: up to the context
    running: int = 8  # requests in one batch of the engine
    waiting: int = 16  # requests in the queue


def short_name(name: str) -> str:
    """The last part of a folder or Hub id."""
    return Path(name).name or name


def public_limits(memory_bytes: int, cache_bytes_per_token: int = 0, context: int = 2048) -> Limits:
    """Limits for a public page, from the memory (bytes) that is free once the model is loaded.

    Half of it is for key-value caches (see `cache_budget`; the engine counts each request's before it starts), an eighth for the
    texts that `THREADS` visitors tokenize at the same time (about 300 bytes per character).
    """
    per_request = max(1, cache_bytes_per_token * min(512, context))  # a typical prompt with its continuation
    running = max(1, min(8, memory_bytes // 2 // per_request))
    characters = max(2_000, min(200_000, memory_bytes // 8 // TOKENIZED_AT_ONCE // BYTES_PER_CHARACTER))
    compared = min(20_000, characters)
    return Limits(characters, compared, new_tokens=min(512, context), running=running, waiting=16 * running)


def cache_budget(memory_bytes: int, cache_bytes_per_token: int, context: int, running: int) -> tuple[int, int]:
    """From the free memory (bytes): how much for all key-value caches, and how much of that for cached prefixes.

    At most half and an eighth, and no more than is of use: a full context for each of `running` texts, and PREFIX_CONTEXTS of
    them for prefixes. At least one full context, which was counted before the model was loaded.
    """
    one = cache_bytes_per_token * (context + 256)
    prefixes = min(memory_bytes // 8, max(PREFIX_BYTES, PREFIX_CONTEXTS * one))
    return max(min(memory_bytes // 2, running * one + prefixes), one), prefixes


@dataclass(frozen=True)
class MemoryBudget:
    """What the page may take, in bytes. Each part is kept where it is spent."""

    weights: int
    texts: int  # key-value caches of the texts that run
    prefixes: int  # cached key-value caches
    visitors: int  # what open pages keep (text/state.py), and logits
    requests: int  # texts and answers while they are computed and sent
    program: int = PROGRAM_BYTES  # Python, torch, Gradio

    @property
    def total(self) -> int:
        return sum(getattr(self, each.name) for each in fields(self))

    @property
    def sentence(self) -> str:
        parts = ", ".join(f"{each.name} {gib(getattr(self, each.name))}" for each in fields(self))
        return f"this page may take {gib(self.total)} GiB of memory: {parts}"


@dataclass
class Playground:
    """The state that all visitors share: what is loaded, what is being loaded, and the limits."""

    public: bool = False  # visitors cannot load models or name paths
    engine_url: str | None = None  # of the engine in another process that has the model; None: the model is in this one
    loaded: Loaded | None = None
    progress: Progress = field(default_factory=Progress)
    limits: Limits = field(default_factory=Limits)
    memory: MemoryBudget | None = None  # known once a model is loaded
    options: tuple[Option, ...] = field(default=OPTIONS, repr=False)  # the sampling options that a visitor can set
    share: int | None = None  # bytes of memory that this process may take; None: what is free
    visitors: Visitors = field(default_factory=Visitors, repr=False)  # what each has used, and how much each may use
    observer: "Observer | None" = field(default=None, repr=False)  # called for each request to the engine
    _compat: "tuple[GPTNeoXJapaneseTokenizer, GPTNeoXJapaneseTokenizer] | None" = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)  # one load at a time

    @classmethod
    def create(cls, *, public: bool, caps: Caps | None = None) -> "Playground":
        """A playground with nothing loaded. A public one has limits, from this machine's free memory and from `caps`."""
        if not public:
            return cls()
        caps = caps or Caps()
        return cls(public=True, limits=replace(public_limits(free_memory()), **caps.limits), visitors=Visitors(caps))

    @property
    def can_load(self) -> bool:
        """Whether visitors can load models."""
        return not self.public and self.engine_url is None

    @property
    def serial(self) -> int:
        """Increases with each change of what is loaded; 0: nothing yet."""
        return self.loaded.serial if self.loaded else 0

    @property
    def tokenizer(self) -> "GPTNeoXJapaneseTokenizer":
        """The tokenizer.

        Raises:
            NotReady: none is loaded yet, or loading failed.
        """
        if self.loaded:
            return self.loaded.tokenizer
        self._check_engine()
        if self.progress.busy:
            raise NotReady("The vocabulary is still loading.", ja="語彙を読み込んでいます。")
        raise NotReady(
            "No vocabulary is loaded: load one in the Model tab.",
            ja="語彙が読み込まれていません。「モデル」タブで読み込んでください。",
        )

    def tokenizer_as(self, compat: bool) -> "GPTNeoXJapaneseTokenizer":
        """The tokenizer, with `compat` as it is in transformers, which is cached until another one is loaded."""
        ours = self.tokenizer
        if not compat:
            return ours
        if self._compat is None or self._compat[0] is not ours:
            self._compat = (ours, type(ours)(*ours.vocabulary.files, compat="transformers"))
        return self._compat[1]

    def wait_for(self, needed: Need | None, seconds: float) -> None:
        """Return when a vocabulary or a model is there; one that is being loaded is waited for, at most this many seconds.

        Raises:
            NotReady: it is still being loaded then, or nothing is loaded and nothing is being loaded.
        """
        end = time.monotonic() + seconds
        while needed is not None:
            busy = self.progress.busy  # before the look: a load may end in between
            try:
                _ = self.ready if needed == "model" else self.tokenizer
                return
            except NotReady:
                if not busy or time.monotonic() >= end:
                    raise
            time.sleep(POLL_SECONDS)

    @property
    def offline(self) -> bool:
        """Whether nothing may be asked of the Hub."""
        return self.loaded is not None and self.loaded.choice.offline

    @property
    def ready(self) -> Ready:
        """What is loaded, with its model and engine.

        Raises:
            NotReady: the model is not loaded yet, or loading failed.
        """
        if isinstance(self.loaded, Ready):
            return self.loaded
        self._check_engine()
        if self.progress.busy:
            raise NotReady("The model is still loading.", ja="モデルを読み込んでいます。")
        raise NotReady(
            "No model is loaded: load one in the Model tab.",
            ja="モデルが読み込まれていません。「モデル」タブで読み込んでください。",
        )

    def _check_engine(self) -> None:
        """Raises the error why the engine in another process is not there."""
        if self.engine_url is not None and self.progress.error is not None:
            raise type(self.progress.error)(self.progress.error.plain, self.progress.error.ja)

    def start(self, choice: Choice, *, unload_first: bool = False) -> threading.Thread:
        """Load in a thread; `progress` has its state. An expected error ends in `progress`, any other one also in the log."""
        thread = threading.Thread(target=self._load_quietly, args=(choice, unload_first), name=LOADING, daemon=True)
        self.progress = Progress("vocabulary", choice.name)
        thread.start()
        return thread

    def load(self, choice: Choice, *, unload_first: bool = False) -> Loaded:
        """Load, and replace what was loaded; waits for a load that is running.

        Args:
            choice: what to load.
            unload_first: free the old model's memory before the new one is loaded. If that fails, the old one is loaded again.

        Raises:
            NeoxjpError: it cannot be loaded; ModelTooLarge: it does not fit into memory. What was loaded before is
                available again.
        """
        with self._lock:
            before = self.loaded.choice if isinstance(self.loaded, Ready) else None
            if unload_first:
                self._unload()
            try:
                fresh = self._read(choice)
            except Exception as error:
                traceback.clear_frames(error.__traceback__)  # they refer to the weights loaded so far
                try:
                    if unload_first and before is not None:
                        self.put(self._read(before))
                finally:
                    self.progress = Progress("failed", choice.name, error=error if isinstance(error, NeoxjpError) else None)
                raise
            old = self.loaded
            self.put(fresh)
            if old is not None:
                _close(old)
            self.progress = Progress("ready", choice.name)
            return self.loaded  # type: ignore[return-value]

    def _unload(self) -> None:
        """Free the model's memory; its vocabulary stays."""
        if (old := self.loaded) is not None:
            self.put(Loaded(old.choice, old.tokenizer, folder=old.folder))  # first: nobody finds a closed engine
            _close(old)
            del old
        gc.collect()

    def _read(self, choice: Choice) -> Ready:
        """Load the vocabulary, the weights, the engine. With nothing loaded before, the vocabulary is available at once."""
        from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

        self.progress = Progress("vocabulary", choice.name)
        hub: dict[str, Any] = {"revision": choice.revision, "local_files_only": choice.offline}
        tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(choice.name, **hub)
        if self.loaded is None:
            self.put(Loaded(choice, tokenizer))
        model, folder = self._read_model(choice)
        return Ready(choice, tokenizer, model, self._start_engine(model, tokenizer), folder)

    def _read_model(self, choice: Choice) -> "tuple[GPTNeoXJapaneseForCausalLM, Path]":
        import torch

        from neoxjp.model import load_model

        def on_bytes(done: int, total: int) -> None:
            self.progress = replace(self.progress, done=done, total=total)

        def before_reading(folder: Path, dtype: "torch.dtype | None", quantization: str | None) -> None:
            present = self.loaded.here.model if isinstance(self.loaded, Ready) else None
            check_memory(choice.name, folder, dtype, choice.device, present, quantization, choice.cache_dtype)
            self.progress = Progress("weights", choice.name)

        self.progress = Progress("download", choice.name)
        on_cpu = choice.device == "auto" and not torch.cuda.is_available()
        return load_model(
            choice.name,
            revision=choice.revision,
            dtype=choice.dtype,
            quantization=choice.quantization,
            cache_dtype=choice.cache_dtype,
            device="cpu" if on_cpu else choice.device,
            offline=choice.offline,
            progress=on_bytes,
            before_reading=before_reading,
        )

    def _start_engine(self, model: "GPTNeoXJapaneseForCausalLM", tokenizer: "GPTNeoXJapaneseTokenizer") -> "Engine":
        from neoxjp.engine import Engine

        free, context = free_memory(str(model.device)), model.config.max_position_embeddings
        if self.share is not None:
            free = max(0, min(free, self.share - weight_bytes(model) - PROGRAM_BYTES))
        if self.public:
            own = self.visitors.caps.limits
            self.limits = replace(public_limits(free, model.cache_bytes_per_token, context), **own)
        cache_bytes, prefix_bytes = cache_budget(free, model.cache_bytes_per_token, context, self.limits.running)
        self.memory = MemoryBudget(
            weights=weight_bytes(model),
            texts=cache_bytes - prefix_bytes,
            prefixes=prefix_bytes,
            visitors=self.visitors.caps.sessions_mib * 2**20 + LOGITS_BYTES,
            requests=self.limits.characters * BYTES_PER_CHARACTER * TOKENIZED_AT_ONCE + UNREAD_BYTES,
        )
        if self.public:
            print(self.memory.sentence, file=sys.stderr, flush=True)
        engine = Engine(
            model,
            tokenizer,
            max_batch=self.limits.running,
            max_waiting=self.limits.waiting,
            running_each=self.visitors.caps.running_each or self.limits.running,
            waiting_each=self.visitors.caps.waiting_each or max(1, self.limits.waiting),
            cache_bytes=cache_bytes,
            prefix_bytes=prefix_bytes,
            observer=self.observer,
        )
        engine.start()
        return engine

    def put(self, loaded: Loaded) -> None:
        """Replace what is loaded."""
        self.loaded = replace(loaded, serial=self.serial + 1)

    def _load_quietly(self, choice: Choice, unload_first: bool) -> None:
        try:
            self.load(choice, unload_first=unload_first)
        except NeoxjpError as error:
            log.warning("%s", error)
        except Exception as error:  # a bug: the page must say so instead of waiting for ever
            log.exception("loading %r", choice.name)
            fault = NeoxjpError(
                f"Loading {choice.name!r} failed: {type(error).__name__}. The server's log says more",
                ja=f"{choice.name!r} を読み込めませんでした（{type(error).__name__}）。詳細はサーバーのログにあります。",
            )
            self.progress = Progress("failed", choice.name, error=fault)


def _close(loaded: Loaded) -> None:
    if loaded.engine is not None:
        loaded.engine.close()
