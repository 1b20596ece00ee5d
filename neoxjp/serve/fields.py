"""The requests of the protocol as pydantic models: which fields there are, what each accepts, and its default.

The sampling options come from the table in sampling/options.py, under vLLM's names where vLLM has one.
"""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StrictBool, StrictInt, StrictStr, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from neoxjp.errors import ParameterError
from neoxjp.sampling import OPTIONS, Option, SamplingParams
from neoxjp.serve.errors import FIELDS, ProtocolError

MAX_N = 128  # texts for one prompt
MAX_TEXTS = 1_000  # in one request, for all prompts
MAX_LOGPROBS = 20  # most probable tokens that are listed for each token
MAX_VALUES = 300_000  # log probabilities in one answer: 10 MB
MAX_HELD = 10 * MAX_VALUES  # in all answers that are being computed
HELD_EACH = MAX_HELD * 3 // 4  # of them, in those of one address
MAX_COPIED = 1_000_000  # characters and ids of the prompts that one answer repeats
STOP_STRINGS, STOP_CHARACTERS = 32, 128  # how many; of each
DEFAULT_TOKENS = 16

Prompt = str | list[str] | list[int] | list[list[int]]


def _refuse(message: str) -> PydanticCustomError:
    return PydanticCustomError("value", "{message}", {"message": message})


def _prompt(given: Any) -> Prompt:
    """A text, several, the ids of one, or of several."""
    if isinstance(given, str):
        return _text(given)
    if not isinstance(given, list):
        raise _refuse("must be a text, a list of texts, a list of token ids or a list of such lists")
    if not given:
        raise _refuse("is an empty list: give a text or token ids ([[]] is one empty prompt)")
    if isinstance(given[0], str) and all(type(each) is str for each in given):
        return [_text(each) for each in given]
    if type(given[0]) is int:
        return _ids(given)
    if all(type(each) is list for each in given):
        return [_ids(each) for each in given]
    raise _refuse("mixes texts and token ids: give only texts, only token ids, or only lists of token ids")


def _text(given: str) -> str:
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise _refuse(f"is not Unicode text: character {error.start} is half of a surrogate pair") from None
    return given


def _ids(given: list[Any]) -> list[int]:
    if not all(type(each) is int for each in given):
        raise _refuse("has a token id that is not a whole number")
    return given


def _only(*accepted: Any) -> Any:
    """A field of the protocol that this server does not have: only its neutral values are accepted."""

    def check(given: Any) -> Any:
        if not any(given == each and isinstance(given, bool) == isinstance(each, bool) for each in accepted):
            raise _refuse(f"is not supported: leave it out, or send {accepted[-1]!r}")
        return given

    return Annotated[Any, PlainValidator(check), WithJsonSchema({"description": f"Not supported; accepted: {list(accepted)}"})]


def _option(row: Option, default: Any) -> Any:
    """A sampling option: what its row accepts, and null for the default."""

    def check(given: Any) -> Any:
        if given is None or (given == -1 and row.name in ("seed", "top_k") and type(given) is int):  # as llama.cpp and vLLM
            return default
        try:
            if row.kind == "strings" and not isinstance(given, str | list):
                raise TypeError
            value = row.accept(given)
        except (TypeError, ValueError, OverflowError):
            raise _refuse(f"{given!r:.80} must be {row.range[1]}") from None
        if row.kind != "strings":
            return value
        if len(value) > STOP_STRINGS or any(len(text) > STOP_CHARACTERS for text in value):
            raise _refuse(f"may have {STOP_STRINGS} strings of up to {STOP_CHARACTERS} characters")
        return [_text(text) for text in value]

    types: dict[str, Any] = {
        "number": {"type": "number"},
        "integer": {"type": "integer"},
        "strings": {"type": ["string", "array"], "items": {"type": "string"}},
    }
    schema = types[row.kind] | {"default": default, "description": f"{row.help[1]} Accepted: {row.range[1]}."}
    return Annotated[Any, PlainValidator(check), WithJsonSchema(schema)]


def _protocol_default(row: Option) -> Any:
    """A neutral value; the option's filter is off."""
    return row.off if row.stage else list(row.neutral) if row.kind == "strings" else row.neutral


class StreamOptions(BaseModel):
    """What a stream has beside the text."""

    include_usage: StrictBool | None = Field(None, description="The last event has the numbers of tokens.")


class Completion(BaseModel):
    """The fields of /v1/completions apart from the sampling options. Fields that it does not know are ignored."""

    model_config = ConfigDict(extra="allow")

    model: StrictStr | None = Field(None, description="A name from /v1/models; null: the model that is loaded.")
    prompt: Annotated[
        Prompt,
        PlainValidator(_prompt),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array"}], "description": "A text, texts, ids, or lists of ids."}),
    ]
    max_tokens: StrictInt | None = Field(DEFAULT_TOKENS, ge=0, le=2**31, description="null: until the context is full.")
    n: Annotated[StrictInt, Field(ge=1, le=MAX_N)] | None = Field(1, description="Texts for each prompt.")
    stream: StrictBool | None = Field(False, description="Send the text while it is written, as server-sent events.")
    stream_options: StreamOptions | None = None
    logprobs: Annotated[StrictInt, Field(ge=0, le=MAX_LOGPROBS)] | None = Field(
        None, description="How many most probable tokens to list for each token; natural logarithms, of the model's own softmax."
    )
    echo: StrictBool | None = Field(False, description="The text and the log probabilities begin with those of the prompt.")
    prompt_logprobs: Annotated[StrictInt, Field(ge=0, le=MAX_LOGPROBS)] | None = Field(None, description="As in vLLM.")
    return_token_ids: StrictBool | None = Field(False, description="Adds prompt_token_ids and token_ids.")
    return_tokens_as_token_ids: StrictBool | None = Field(False, description="Log probabilities name tokens as token_id:123.")
    ignore_eos: StrictBool | None = Field(False, description="The end token does not end the text.")
    user: Any = Field(None, description="Not used.")
    add_special_tokens: StrictBool | None = Field(None, description="No effect: this tokenizer adds none.")
    skip_special_tokens: _only(None, True) = None  # type: ignore[valid-type]
    include_stop_str_in_output: _only(None, False) = None  # type: ignore[valid-type]
    best_of: _only(None, 1) = None  # type: ignore[valid-type]
    suffix: _only("", None) = None  # type: ignore[valid-type]
    logit_bias: _only({}, None) = None  # type: ignore[valid-type]
    presence_penalty: _only(None, 0) = None  # type: ignore[valid-type]
    frequency_penalty: _only(None, 0) = None  # type: ignore[valid-type]
    stop_token_ids: _only([], None) = None  # type: ignore[valid-type]
    truncate_prompt_tokens: _only(None) = None  # type: ignore[valid-type]
    use_beam_search: _only(None, False) = None  # type: ignore[valid-type]

    @property
    def ignored(self) -> list[str]:
        """Fields that this server does not know: their names, as far as they are short words."""
        return sorted(name for name in self.model_extra or () if name.isidentifier() and name.isascii() and len(name) < 50)[:20]

    @property
    def prompt_only(self) -> bool:
        """Whether nothing is generated."""
        return self.max_tokens == 0

    @property
    def prompt_top(self) -> int | None:
        """How many most probable tokens each token of the prompt lists; None: the prompt is not scored."""
        wanted = [self.logprobs if self.echo else None, self.prompt_logprobs]
        return max((each for each in wanted if each is not None), default=None)

    def params(self) -> SamplingParams:
        """The sampling options. Raises ParameterError."""
        values = {row.name: getattr(self, FIELDS.get(row.name, row.name)) for row in OPTIONS if row.name != "max_new_tokens"}
        eos = () if self.ignore_eos else None
        try:
            return SamplingParams(do_sample=True, max_new_tokens=self.max_tokens or None, eos_token_id=eos, **values)
        except ParameterError as error:
            raise ProtocolError(error.plain, "min_tokens") from error

    def check(self) -> None:
        """Raises ProtocolError: fields that do not go together."""
        if self.prompt_only and not self.echo and self.prompt_logprobs is None:
            raise ProtocolError("max_tokens 0 generates nothing: add echo or prompt_logprobs", "max_tokens")
        if self.stream_options is not None and not self.stream:
            raise ProtocolError("stream_options needs stream", "stream_options")


def _fields() -> dict[str, Any]:
    rows = {FIELDS.get(row.name, row.name): row for row in OPTIONS if row.name != "max_new_tokens"}
    return {name: (_option(row, _protocol_default(row)), _protocol_default(row)) for name, row in rows.items()}


if TYPE_CHECKING:
    CompletionRequest = Completion
else:
    CompletionRequest = create_model(
        "CompletionRequest", __base__=Completion, __doc__="A request to continue texts.", **_fields()
    )


def _one_text(given: Any) -> str:
    if not isinstance(given, str):
        raise _refuse("must be a text")
    return _text(given)


def _token_list(given: Any) -> list[int]:
    if not isinstance(given, list):
        raise _refuse("must be a list of token ids")
    return _ids(given)


class TokenizeRequest(BaseModel):
    """A text to tokenize."""

    model: StrictStr | None = None
    prompt: Annotated[str, PlainValidator(_one_text), WithJsonSchema({"type": "string"})]
    add_special_tokens: StrictBool | None = Field(None, description="No effect: this tokenizer adds none.")
    return_token_strs: StrictBool | None = Field(False, description="Adds the tokens' spellings.")


class DetokenizeRequest(BaseModel):
    """Token ids to turn into text."""

    model: StrictStr | None = None
    tokens: Annotated[list[int], PlainValidator(_token_list), WithJsonSchema({"type": "array", "items": {"type": "integer"}})]
