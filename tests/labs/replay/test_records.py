"""The state of a generation: saved, read back, run again; and the code that runs it."""

import ast
import contextlib
import dataclasses
import inspect
import io
import json
import shlex
import subprocess
from collections.abc import Iterator

import pytest
import torch

from neoxjp.engine import Engine
from neoxjp.errors import ParameterError
from neoxjp.hub import bundled_path
from neoxjp.labs.common.fingerprints import folder_fingerprint, model_fingerprint, vocabulary_fingerprint
from neoxjp.labs.replay.as_code import TARGETS, as_code
from neoxjp.labs.replay.records import State, capture, from_json, replay, report, to_json
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.tiny import LINES
from tests.support.tiny_model import ours

DRAW = SamplingParams(do_sample=True, temperature=0.9, top_p=0.95, repetition_penalty=1.1, seed=7, max_new_tokens=20)


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary) -> Iterator[GPTNeoXJapaneseTokenizer]:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


@pytest.fixture(scope="module")
def model(tiny_folder) -> GPTNeoXJapaneseForCausalLM:
    return GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder)


def written(model, tokenizer, params=DRAW, prompt="吾輩は猫である。", name="tiny") -> State:
    ids = tokenizer.encode(prompt) if isinstance(prompt, str) else prompt
    request = Engine(model, tokenizer).submit(ids, params)
    list(request)
    return capture(request, model, tokenizer, name)


def test_a_replay_writes_the_same_ids(model, tokenizer):
    for params in (DRAW, SamplingParams(max_new_tokens=9), dataclasses.replace(DRAW, seed=None, stop=("。",))):
        state = written(model, tokenizer, params)
        again = replay(from_json(to_json(state)), model, tokenizer)
        assert again.ids == state.ids
        assert (again.same, again.first_difference, again.differences) == (True, None, ())
        assert again.text == tokenizer.decode(state.ids)
        assert report(state, again) == [f"the same {len(state.ids)} tokens"]


def test_a_file_comes_back_as_it_was(model, tokenizer):
    params = dataclasses.replace(DRAW, stop=("。」", "\n", "\ud800"), eos_token_id=(1, 2), deadline_s=3.5)
    state = written(model, tokenizer, params)
    assert from_json(to_json(state)) == state
    assert from_json(to_json(state).encode()) == state
    assert state.params.seed == 7
    assert json.loads(to_json(state))["fingerprint_covers"].startswith("config.json")


def test_the_length_that_fits_the_context_is_saved(model, tokenizer):
    state = written(model, tokenizer, dataclasses.replace(DRAW, max_new_tokens=None, eos_token_id=()))
    assert state.params.max_new_tokens == 64 - len(state.prompt_ids) == len(state.ids)


def test_an_interrupted_text_is_generated_up_to_its_saved_length(model, tokenizer):
    request = Engine(model, tokenizer).submit(tokenizer.encode("猫"), dataclasses.replace(DRAW, min_new_tokens=15, deadline_s=60))
    for _ in range(5):
        next(request)
    request.cancel()
    state = capture(request, model, tokenizer, "tiny")
    assert (state.finish, len(state.ids)) == ("cancelled", 5)
    assert replay(state, model, tokenizer).ids == state.ids
    nothing = dataclasses.replace(state, ids=())
    assert replay(nothing, model, tokenizer).same


def test_another_model_is_named_with_the_first_token_that_differs(model, tokenizer):
    state = written(model, tokenizer)
    other = ours(seed=9, vocab_size=tokenizer.vocab_size, bos_token_id=tokenizer.bos_token_id)
    again = replay(state, other, tokenizer)
    assert not again.same
    assert again.ids[: again.first_difference] == state.ids[: again.first_difference]
    assert again.ids[again.first_difference] != state.ids[again.first_difference]
    assert "model" in {found.group for found in again.differences}
    lines = report(state, again)
    assert lines[0] == f"the ids differ from token {again.first_difference + 1} of {len(state.ids)} on"
    assert any(line.startswith("  model: ") for line in lines)


@pytest.mark.parametrize(
    ("field", "value", "group"),
    [
        ("torch", "2.0.0", "version"),
        ("attention_kernel", "math", "kernel"),
        ("cpu", "NO AVX", "machine"),
        ("dtype", "float64", "dtype"),
        ("cache_dtype", "int8", "dtype"),
    ],
)
def test_each_difference_is_reported_also_where_the_ids_are_the_same(model, tokenizer, field, value, group):
    state = written(model, tokenizer)
    state = dataclasses.replace(state, setup=dataclasses.replace(state.setup, **{field: value}))
    again = replay(state, model, tokenizer)
    assert again.same
    assert [(found.group, found.field, found.saved) for found in again.differences] == [(group, field, value)]


def test_concurrent_requests_are_reported_where_they_matter(model, tokenizer):
    assert not model.rows_are_independent  # plain float32
    state = dataclasses.replace(written(model, tokenizer), concurrent=3)
    assert [(found.group, found.saved, found.current) for found in replay(state, model, tokenizer).differences] == [
        ("batch", "3", "0")
    ]


def test_an_edited_file_is_distinguished_from_another_setup(model, tokenizer):
    state = written(model, tokenizer)
    edited = dataclasses.replace(state, ids=(*state.ids[:3], 0, *state.ids[4:]))
    again = replay(edited, model, tokenizer)
    assert again.first_difference == 3
    assert "the setups are equal" in report(edited, again)[1]


def test_ids_of_a_larger_vocabulary_are_refused(model, tokenizer):
    state = dataclasses.replace(written(model, tokenizer), prompt_ids=(31_000,))
    with pytest.raises(ParameterError, match="31000"):
        replay(state, model, tokenizer)


@pytest.mark.parametrize(("setup", "then"), [({}, "float32"), ({"device": "NVIDIA H100", "dtype": "bfloat16"}, "bfloat16")])
def test_a_file_from_before_there_was_a_choice_names_the_cache_it_had(model, tokenizer, setup, then):
    content = json.loads(to_json(written(model, tokenizer)))
    del content["setup"]["cache_dtype"]
    content["setup"] |= setup
    assert from_json(json.dumps(content)).setup.cache_dtype == then


def damaged(state: State, **changes: object) -> str:
    return json.dumps(json.loads(to_json(state)) | changes)


def test_a_damaged_file_is_one_error_message(model, tokenizer):
    state = written(model, tokenizer)
    good = json.loads(to_json(state))
    without = {key: value for key, value in good.items() if key != "setup"}
    files: list[str | bytes] = ["", "{", "[]", "null", b"\xff\xfe", '{"format": "neoxjp-generation"}', "[" * 100_000]
    files += [json.dumps(without), damaged(state, prompt_ids=[]), damaged(state, ids=[1, True]), damaged(state, ids="12")]
    files += [damaged(state, ids=[-1]), damaged(state, prompt_ids=[2**40]), damaged(state, finish="?"), damaged(state, name=3)]
    files += [
        damaged(state, params={}),
        damaged(state, params=None),
        damaged(state, concurrent=1.5),
        damaged(state, rows_are_independent=1),
    ]
    files += [damaged(state, setup=good["setup"] | {"threads": "2"}), damaged(state, setup={}), damaged(state, revision=[])]
    files += [damaged(state, params=good["params"] | {"extra": 1}), damaged(state, setup=good["setup"] | {"packed": "no"})]
    for file in files:
        with pytest.raises(ParameterError, match="not a neoxjp-generation file, or it is damaged") as caught:
            from_json(file)
        assert "壊れている" in caught.value.ja
        assert "\n" not in str(caught.value)
    with pytest.raises(ParameterError, match="version 9"):
        from_json(damaged(state, version=9))
    with pytest.raises(ParameterError, match="bytes, more than"):
        from_json(" " * (2 * 2**20 + 1))
    with pytest.raises(ParameterError, match="temperature"):
        from_json(damaged(state, params=good["params"] | {"temperature": -1}))
    with pytest.raises(ParameterError, match="stop strings"):
        from_json(damaged(state, params=good["params"] | {"stop": ["x"] * 65}))


# Fingerprints


def test_a_folder_keeps_its_fingerprint_until_its_weights_or_config_change(tiny_folder, tmp_path, tokenizer):
    mark = folder_fingerprint(tiny_folder)
    assert mark == folder_fingerprint(tiny_folder) == model_fingerprint(GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder))
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder)
    model.save_pretrained(tmp_path / "same")
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.001)
    model.save_pretrained(tmp_path / "trained")
    assert folder_fingerprint(tmp_path / "trained") != folder_fingerprint(tmp_path / "same")


def test_models_in_memory_have_fingerprints_of_their_weights():
    assert model_fingerprint(ours(1)) == model_fingerprint(ours(1)) != model_fingerprint(ours(2))


def test_a_vocabulary_has_a_fingerprint_of_its_lines_and_options(tiny_vocabulary, tmp_path, tokenizer):
    mark = vocabulary_fingerprint(tokenizer)
    compat = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary, compat="transformers")
    assert mark == vocabulary_fingerprint(GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary))
    assert mark != vocabulary_fingerprint(compat)


# Copy as code


CASES = {
    "sampling": (DRAW, "吾輩は「猫」である。\n'a' ${x}"),
    "greedy": (SamplingParams(max_new_tokens=6, repetition_penalty=1.2), "東京"),
    "stop": (dataclasses.replace(DRAW, stop=("す", "\n")), "東京"),
    "ids": (dataclasses.replace(DRAW, top_k=0, eos_token_id=()), [LINES.index("東"), LINES.index("京")]),  # 東京 is one id
    "no prompt": (DRAW, ""),
    "zero": (dataclasses.replace(DRAW, temperature=0.0), "東京"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_python_prints_what_was_written(case, model, tokenizer, tiny_folder):
    params, prompt = CASES[case]
    state = written(model, tokenizer, params, prompt, str(tiny_folder))
    code = as_code(state, tokenizer, "python")
    assert code.caveats == ()
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code.code, {})
    request = Engine(model, tokenizer).submit(state.prompt_ids, state.params)
    expected = tokenizer.decode(state.prompt_ids, skip_special_tokens=True) + "".join(step.text for step in request)
    assert out.getvalue() == expected + "\n"


FEW = SamplingParams(do_sample=True, temperature=0.9, seed=7, max_new_tokens=20)


def test_the_five_lines_are_the_model_cards(model, tokenizer):
    assert (
        as_code(written(model, tokenizer, FEW, "東京", "me/mine"), tokenizer, "python").code
        == """\
from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer

model = GPTNeoXJapaneseForCausalLM.from_pretrained('me/mine', dtype='float32')
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained('me/mine')
input_ids = tokenizer('東京', return_tensors="pt").input_ids
gen_tokens = model.generate(input_ids, do_sample=True, temperature=0.9, seed=7, max_new_tokens=20)
print(tokenizer.batch_decode(gen_tokens, skip_special_tokens=True)[0])"""
    )


@pytest.mark.parametrize(
    ("setup", "arguments"),
    [
        ({"dtype": "float16", "packed": True}, "dtype='float16'"),
        ({"dtype": "float16", "packed": False}, "dtype='auto'"),
        ({"dtype": "float16", "packed": True, "quantization": "int8"}, "quantization='int8'"),
        ({"dtype": "float16", "device": "NVIDIA H100", "cache_dtype": "float16"}, "dtype='float16', device_map=\"cuda\""),
        ({"dtype": "float16", "packed": True, "attention_kernel": "native", "cache_dtype": "float16"}, "dtype='float16'"),
        (
            {"dtype": "float16", "packed": True, "attention_kernel": "native", "cache_dtype": "float32"},
            "dtype='float16', cache_dtype='float32'",
        ),
        ({"dtype": "float32", "cache_dtype": "int8"}, "dtype='float32', cache_dtype='int8'"),
        ({"dtype": "float32", "attn_implementation": "eager"}, "dtype='float32', attn_implementation='eager'"),
    ],
)
def test_the_model_is_loaded_as_it_was(model, tokenizer, setup, arguments):
    state = written(model, tokenizer)
    state = dataclasses.replace(state, revision="abc", setup=dataclasses.replace(state.setup, **setup))
    asked = ", ".join(filter(None, ["'tiny'", "revision='abc'", arguments]))
    assert f"CausalLM.from_pretrained({asked})\n" in as_code(state, tokenizer, "python").code


def api_arguments(code: str, target: str) -> dict[str, object]:
    """The arguments for /generate in a piece of code."""
    if target == "curl":
        words = shlex.split(code.replace("\\\n", ""), comments=True)
        return json.loads(words[words.index("-d") + 1])
    call = next(
        node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call) and any(k.arg == "prompt" for k in node.keywords)
    )
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg != "api_name"}


@pytest.mark.parametrize("target", TARGETS[1:])
@pytest.mark.parametrize("case", CASES)
def test_the_api_is_called_with_its_own_parameters(target, case, model, tokenizer):
    from neoxjp.page_parts.session.playground import Playground
    from neoxjp.ui.endpoints import endpoints

    params, prompt = CASES[case]
    state = written(model, tokenizer, params, prompt)
    code = as_code(state, tokenizer, target, "http://example.org/")
    arguments = api_arguments(code.code, target)
    generate = next(each for each in endpoints(Playground()) if each.name == "generate").bind(Playground())
    known = set(inspect.signature(generate).parameters) - {"request", "truncate", "top"}
    assert known - {"stop", "ids"} <= set(arguments) <= known
    assert "http://example.org/gradio_api" in code.code or "Client('http://example.org'" in code.code
    # what the endpoint makes of them is what was run
    made = {name: value for name, value in arguments.items() if name not in ("prompt", "ids")} | {"do_sample": True}
    remade = SamplingParams(**made)
    expected = dataclasses.replace(state.params, eos_token_id=None)
    if expected.greedy:
        assert remade.greedy
        remade, expected = (dataclasses.replace(one, do_sample=False, temperature=1.0) for one in (remade, expected))
    assert remade == expected
    assert code.caveats == (("eos",) if case == "ids" else ())
    assert ("ids" in arguments) == (case == "ids")
    sent = [*tokenizer.encode(arguments["prompt"]), *arguments.get("ids", ())]
    assert (sent or [tokenizer.bos_token_id]) == list(state.prompt_ids)


def test_the_bundled_model_goes_by_its_name_wherever_it_is_installed(model, tokenizer):
    for params in (DRAW, dataclasses.replace(DRAW, stop=("。",))):
        state = written(model, tokenizer, params, "東京", str(bundled_path()))
        assert state.name == "bundled"
        code = as_code(state, tokenizer, "python").code
        assert str(bundled_path()) not in to_json(state) + code
        assert code.count("from_pretrained('bundled'") == 2


def test_a_deadline_and_concurrent_requests_are_caveats(model, tokenizer):
    state = written(model, tokenizer, dataclasses.replace(DRAW, deadline_s=99))
    state = dataclasses.replace(state, concurrent=1)
    assert as_code(state, tokenizer, "python").caveats == ("deadline", "concurrent")


def test_both_targets_run_against_a_page(model, tokenizer, page_url):
    state = written(model, tokenizer, dataclasses.replace(DRAW, stop=("ぱ", "'")), "吾輩は「猫」である。\n'a' ${x}")
    continuation = "".join(step.text for step in Engine(model, tokenizer).submit(state.prompt_ids, state.params))
    expected = tokenizer.decode(state.prompt_ids) + continuation
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(as_code(state, tokenizer, "gradio_client", page_url).code, {})
    assert out.getvalue() == expected + "\n"
    curl = as_code(state, tokenizer, "curl", page_url).code
    done = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, timeout=120, check=True)
    last = [line.removeprefix("data: ") for line in done.stdout.splitlines() if line.startswith("data: ")][-1]
    (answer,) = json.loads(last)
    assert (answer["text"], answer["ids"]) == (expected, list(state.ids))
