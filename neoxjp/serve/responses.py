"""The answers as pydantic models, for the OpenAPI description. The server writes them as plain records."""

from typing import Any

from pydantic import BaseModel, Field


class Logprobs(BaseModel):
    """Natural logarithms of probabilities, of the model's own softmax; one entry for each token."""

    tokens: list[str] = Field(description="The token's text; token_id:123 where that is no text of its own.")
    token_logprobs: list[float | None] = Field(description="null: the first token of a prompt.")
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int] = Field(description="Where the token begins, in characters of the text.")


class PromptLogprob(BaseModel):
    """A token of the prompt, or an alternative to it."""

    logprob: float
    rank: int
    decoded_token: str


class CompletionChoice(BaseModel):
    """One text."""

    index: int
    text: str
    logprobs: Logprobs | None
    finish_reason: str | None = Field(description="stop: the end token or a stop string; length: max_tokens or the context.")
    prompt_logprobs: list[dict[str, PromptLogprob] | None] | None = None
    prompt_token_ids: list[int] | None = None
    token_ids: list[int] | None = None


class Usage(BaseModel):
    """Numbers of tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]


class CompletionAnswer(BaseModel):
    """The answer of /v1/completions; in a stream each event has one choice."""

    id: str
    object: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None = None


class Model(BaseModel):
    """The model that is loaded."""

    id: str
    object: str
    created: int
    owned_by: str
    root: str
    max_model_len: int = Field(description="The context, in tokens.")
    vocab_size: int
    parameters: int
    dtype: str
    quantization: str | None
    cache_dtype: str = Field(description="The format of its KV caches.")
    device: str
    rows_are_independent: bool = Field(
        description="Log probabilities are the same alone and beside other requests, to the last bit."
    )


class ModelList(BaseModel):
    """All models: one."""

    object: str
    data: list[Model]


class TokenizeAnswer(BaseModel):
    """The ids of a text."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


class DetokenizeAnswer(BaseModel):
    """The text of ids."""

    prompt: str


class TokenizerInfo(BaseModel):
    """Special tokens."""

    tokenizer_class: str
    eos_token: str
    bos_token: str | None
    pad_token: str
    unk_token: str
    chat_template: Any = None
    vocab_size: int
    model_max_length: int


class ErrorObject(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    """The answer to a request that failed."""

    error: ErrorObject
