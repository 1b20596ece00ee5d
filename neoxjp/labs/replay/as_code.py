"""A generation as code to copy, for Python, curl or gradio_client: the same ids, settings and seed.

A comment, and `Code.caveats`, say what the code cannot reproduce: the page's API does not take end tokens.
"""

import json
import shlex
from dataclasses import dataclass
from typing import Any, Literal

from neoxjp.labs.replay.records import State
from neoxjp.model import CACHE_DTYPES
from neoxjp.sampling import SamplingParams, filter_options
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

Target = Literal["python", "curl", "gradio_client"]
TARGETS: tuple[Target, ...] = ("python", "curl", "gradio_client")
Caveat = Literal["eos", "deadline", "concurrent"]
CAVEATS: dict[Caveat, str] = {
    "eos": "the API does not take end tokens: the model's own are used",
    "deadline": "the deadline is left out",
    "concurrent": "other requests ran at the same time, which can change the last digits of this model's numbers",
}
URL = "http://127.0.0.1:7860"
SAMPLING = tuple(option.name for option in filter_options() if option.unused_when_greedy)
PENALTIES = tuple(option.name for option in filter_options() if not option.unused_when_greedy)


@dataclass(frozen=True)
class Code:
    """Code to copy."""

    target: Target
    code: str
    caveats: tuple[Caveat, ...]  # why it may generate another text


def as_code(state: State, tokenizer: GPTNeoXJapaneseTokenizer, target: Target, url: str = URL) -> Code:
    """The code that generates the text of `state` again. url: of a running page, for curl and gradio_client."""
    caveats: list[Caveat] = ["deadline"] if state.params.deadline_s is not None else []
    if state.concurrent and not state.rows_are_independent:
        caveats.append("concurrent")
    text = _prompt(state, tokenizer)
    if target == "python":
        code = _engine(state, text) if state.params.stop else _five_lines(state, text)
    else:
        if state.params.eos_token_id is not None:
            caveats.append("eos")
        code = (_curl if target == "curl" else _client)(_api(state, text), url.rstrip("/"))
    notes = [f"# {CAVEATS[caveat]}" for caveat in caveats]
    return Code(target, "\n".join([*notes, code]), tuple(caveats))


def _prompt(state: State, tokenizer: GPTNeoXJapaneseTokenizer) -> str | None:
    """The text that encodes to the prompt's ids; None: there is none, for example where the model generated some of them."""
    if state.prompt_ids == (tokenizer.bos_token_id,):
        return ""
    text = tokenizer.decode(state.prompt_ids)
    return text if tuple(tokenizer.encode(text)) == state.prompt_ids else None


def _loading(state: State) -> list[str]:
    """The lines that load model and tokenizer with the same options."""
    name, setup = repr(state.name), state.setup
    revision = f", revision={state.revision!r}" if state.revision else ""
    # dtype="float16" packs the linear layers on a CPU; float16 without packing is what "auto" found in the file
    as_stored = setup.dtype == "float16" and setup.device == "cpu" and not setup.packed
    dtype = "" if setup.quantization and setup.dtype == "float16" else f", dtype={('auto' if as_stored else setup.dtype)!r}"
    quantization = f", quantization={setup.quantization!r}" if setup.quantization else ""
    default = "float16" if setup.packed and setup.attention_kernel == "native" else "float32"
    asked = setup.cache_dtype in CACHE_DTYPES and setup.cache_dtype != (default if setup.device == "cpu" else setup.dtype)
    cache = f", cache_dtype={setup.cache_dtype!r}" if asked else ""
    device = ', device_map="cuda"' if setup.device != "cpu" else ""
    kernel = f", attn_implementation={setup.attn_implementation!r}" if setup.attn_implementation != "auto" else ""
    return [
        f"model = GPTNeoXJapaneseForCausalLM.from_pretrained({name}{revision}{dtype}{quantization}{cache}{device}{kernel})",
        f"tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained({name}{revision})",
    ]


def _changed(params: SamplingParams, names: tuple[str, ...]) -> dict[str, Any]:
    """Those of the settings that differ from their defaults."""
    plain = SamplingParams()
    return {name: getattr(params, name) for name in names if getattr(params, name) != getattr(plain, name)}


def _written(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def _settings(params: SamplingParams) -> dict[str, Any]:
    """The settings by the names that `generate` and SamplingParams share."""
    settings: dict[str, Any] = {}
    if not params.greedy:
        settings |= {"do_sample": True} | _changed(params, SAMPLING) | {"seed": params.seed}
    settings |= _changed(params, PENALTIES) | {"max_new_tokens": params.max_new_tokens}
    if params.eos_token_id is not None:
        settings["eos_token_id"] = params.eos_token_id
    return settings


def _five_lines(state: State, text: str | None) -> str:
    """As in the model card."""
    lines = ["from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer", "", *_loading(state)]
    if text:
        lines.append(f'input_ids = tokenizer({text!r}, return_tensors="pt").input_ids')
    else:  # no text encodes to these ids
        lines = ["import torch", "", *lines, f"input_ids = torch.tensor([{list(state.prompt_ids)}])"]
    lines.append(f"gen_tokens = model.generate(input_ids, {_written(_settings(state.params))})")
    lines.append("print(tokenizer.batch_decode(gen_tokens, skip_special_tokens=True)[0])")
    return "\n".join(lines)


def _engine(state: State, text: str | None) -> str:
    """With stop strings, which only the engine has."""
    ids = f"tokenizer.encode({text!r})" if text else repr(list(state.prompt_ids))
    settings = _settings(state.params) | {"stop": state.params.stop}
    loading = "\n".join(_loading(state))
    return f"""\
from neoxjp import Engine, GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer, SamplingParams

{loading}
prompt_ids = {ids}
params = SamplingParams({_written(settings)})
request = Engine(model, tokenizer).submit(prompt_ids, params)
continuation = "".join(step.text for step in request)
print(tokenizer.decode(prompt_ids, skip_special_tokens=True) + continuation)"""


def _api(state: State, text: str | None) -> dict[str, Any]:
    """The arguments of the page's endpoint /generate that affect the text."""
    params = state.params
    arguments: dict[str, Any] = {"prompt": text or ""}
    if text is None:
        arguments["ids"] = list(state.prompt_ids)
    arguments["max_new_tokens"] = params.max_new_tokens
    arguments |= {name: getattr(params, name) for name in SAMPLING}
    if params.greedy:
        arguments["temperature"] = 0.0
    arguments |= {name: getattr(params, name) for name in PENALTIES} | {"seed": params.seed}
    if params.stop:
        arguments["stop"] = list(params.stop)
    return arguments


def _curl(arguments: dict[str, Any], url: str) -> str:
    """`cut` finds the id in {"event_id": "…"}."""
    body = shlex.quote(json.dumps(arguments, ensure_ascii=False))
    return f"""\
curl -s {shlex.quote(url + "/gradio_api/call/v2/generate")} -H 'Content-Type: application/json' \\
  -d {body} \\
  | cut -d '"' -f 4 \\
  | {{ read -r event; curl -sN {shlex.quote(url)}/gradio_api/call/generate/$event; }}"""


def _client(arguments: dict[str, Any], url: str) -> str:
    return f"""\
from gradio_client import Client

client = Client({url!r}, verbose=False)
job = client.submit({_written(arguments)}, api_name="/generate")
for answer in job:
    pass
print(answer["text"])"""
