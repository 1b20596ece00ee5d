"""/v1/completions over HTTP: each field does what the protocol says."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from neoxjp.sampling import SamplingParams
from tests.support.http import Answer, ask

CAT = "吾輩は猫である。"


def test_a_text_is_continued(server: SimpleNamespace, complete: Callable[..., Answer]) -> None:
    loaded = server.playground.ready
    answer = complete(prompt=CAT, max_tokens=12, seed=7)
    params = SamplingParams(do_sample=True, top_k=0, seed=7, max_new_tokens=12)
    steps = list(loaded.engine.submit(loaded.tokenizer.encode(CAT), params))
    found = answer.json
    assert found["object"] == "text_completion"
    assert found["model"] == "bundled"
    assert found["id"].startswith("cmpl-")
    (choice,) = found["choices"]
    assert choice == {"index": 0, "text": "".join(s.text for s in steps), "logprobs": None, "finish_reason": "length"}
    assert found["usage"]["prompt_tokens"] == len(loaded.tokenizer.encode(CAT))
    assert found["usage"]["completion_tokens"] == 12
    assert found["usage"]["total_tokens"] == found["usage"]["prompt_tokens"] + 12


def test_sixteen_tokens_are_the_default_and_null_is_the_context(server: SimpleNamespace, complete: Callable[..., Answer]) -> None:
    assert complete(prompt=CAT, ignore_eos=True).json["usage"]["completion_tokens"] == 16
    assert complete(prompt=CAT, ignore_eos=True, max_tokens=None).json["usage"]["total_tokens"] == 512
    nearly_full = [100] * 510
    assert complete(prompt=nearly_full, ignore_eos=True).json["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_found_before_any_text_is_computed(complete: Callable[..., Answer], stream: bool) -> None:
    answer = complete(prompt=[[100], [100] * 600], max_tokens=2, stream=stream)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")


def test_a_stream_has_the_same_text_and_ends_with_the_usage(complete: Callable[..., Answer]) -> None:
    fields = {"prompt": CAT, "max_tokens": 12, "seed": 7}
    expected = complete(**fields).json
    answer = complete(**fields, stream=True, stream_options={"include_usage": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    *events, last = answer.events
    assert "".join(event["choices"][0]["text"] for event in events) == expected["choices"][0]["text"]
    assert [event["choices"][0]["finish_reason"] for event in events][-1] == "length"
    assert all(event["usage"] is None for event in events)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == expected["usage"]["total_tokens"]
    assert len({event["id"] for event in [*events, last]}) == 1


def test_prompts_may_be_texts_or_ids(server: SimpleNamespace, complete: Callable[..., Answer]) -> None:
    encode = server.playground.tokenizer.encode
    fields = {"max_tokens": 5, "temperature": 0}
    texts = [CAT, "明治", "é", ""]
    alone = [complete(prompt=text, **fields).json["choices"][0]["text"] for text in texts]
    by_ids = [complete(prompt=encode(text), **fields).json["choices"][0]["text"] for text in texts[:3]]
    assert by_ids == alone[:3]
    for prompts in (texts, [encode(text) for text in texts]):
        choices = complete(prompt=prompts, **fields).json["choices"]
        assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
        assert [choice["text"] for choice in choices] == alone


def test_n_texts_for_each_prompt_draw_with_different_seeds(complete: Callable[..., Answer]) -> None:
    choices = complete(prompt=[CAT, "明治"], n=3, seed=5, max_tokens=8).json["choices"]
    assert [choice["index"] for choice in choices] == list(range(6))
    second = complete(prompt="明治", seed=6, max_tokens=8).json["choices"][0]["text"]
    assert choices[4]["text"] == second
    assert len({choice["text"] for choice in choices}) == 6


def test_many_prompts_go_through_one_engine_a_few_at_a_time(server: SimpleNamespace, complete: Callable[..., Answer]) -> None:
    choices = complete(prompt=[f"第{n}章" for n in range(60)], max_tokens=2, temperature=0).json["choices"]
    assert [choice["index"] for choice in choices] == list(range(60))
    assert choices[7]["text"] == complete(prompt="第7章", max_tokens=2, temperature=0).json["choices"][0]["text"]


def test_a_stop_string_ends_the_text(complete: Callable[..., Answer]) -> None:
    whole = complete(prompt=CAT, max_tokens=12, seed=7).json["choices"][0]["text"]
    for stop in (whole[4:6], [whole[4:6], "never"]):
        choice = complete(prompt=CAT, max_tokens=12, seed=7, stop=stop).json["choices"][0]
        assert (choice["text"], choice["finish_reason"]) == (whole[: whole.index(whole[4:6])], "stop")


def test_all_sampling_options_are_fields(complete: Callable[..., Answer]) -> None:
    fields = {
        "temperature": 0.8, "top_p": 0.9, "top_k": 40, "min_p": 0.01, "typical_p": 0.95, "repetition_penalty": 1.2,
        "no_repeat_ngram_size": 3, "min_tokens": 4, "seed": 3,
    }  # fmt: skip
    first = complete(prompt=CAT, max_tokens=8, **fields)
    assert first.status == 200
    assert "neoxjp-ignored-fields" not in first.headers
    assert complete(prompt=CAT, max_tokens=8, **fields).json["choices"] == first.json["choices"]
    assert complete(prompt=CAT, max_tokens=8, **fields | {"seed": 4}).json["choices"] != first.json["choices"]
    for name in fields:
        assert complete(prompt=CAT, max_tokens=8, **fields | {name: None}).status == 200, name
    assert complete(prompt=CAT, max_tokens=8, top_k=-1, seed=-1).status == 200


def test_min_tokens_and_ignore_eos_keep_the_text_from_ending(complete: Callable[..., Answer]) -> None:
    end = {"prompt": "<|endoftext|>", "temperature": 0}
    assert complete(**end, min_tokens=30, max_tokens=30).json["usage"]["completion_tokens"] == 30
    assert complete(**end, ignore_eos=True, max_tokens=40).json["usage"]["completion_tokens"] == 40
    wrong = complete(**end, min_tokens=31, max_tokens=30)
    assert wrong.status == 400
    assert wrong.error["param"] == "min_tokens"
    assert "max_tokens=30" in wrong.error["message"]


def test_echo_puts_the_prompt_first(complete: Callable[..., Answer]) -> None:
    text = complete(prompt=CAT, max_tokens=3, temperature=0).json["choices"][0]["text"]
    assert complete(prompt=CAT, max_tokens=3, temperature=0, echo=True).json["choices"][0]["text"] == CAT + text
    events = complete(prompt=CAT, max_tokens=3, temperature=0, echo=True, stream=True).events
    assert "".join(event["choices"][0]["text"] for event in events) == CAT + text
    nothing = complete(prompt="慶應", max_tokens=0, echo=True).json
    assert nothing["choices"][0] == {"index": 0, "text": "慶應", "logprobs": None, "finish_reason": "length"}
    assert nothing["usage"]["completion_tokens"] == 0


def test_ids_are_returned_where_they_are_asked_for(server: SimpleNamespace, complete: Callable[..., Answer]) -> None:
    choice = complete(prompt=CAT, max_tokens=3, temperature=0, return_token_ids=True).json["choices"][0]
    assert choice["prompt_token_ids"] == server.playground.tokenizer.encode(CAT)
    assert server.playground.tokenizer.decode(choice["token_ids"]) == choice["text"]
    events = complete(prompt=CAT, max_tokens=3, temperature=0, return_token_ids=True, stream=True).events
    assert [id for event in events for id in event["choices"][0]["token_ids"]] == choice["token_ids"]
    assert events[0]["choices"][0]["prompt_token_ids"] == choice["prompt_token_ids"]
    assert events[-1]["choices"][0]["prompt_token_ids"] is None


def test_cached_prompt_tokens_are_counted(complete: Callable[..., Answer]) -> None:
    prompt = [(7 * n) % 7000 for n in range(200)]
    complete(prompt=prompt, max_tokens=1)
    for n in (1, 4):
        usage = complete(prompt=prompt, max_tokens=1, n=n, temperature=1, seed=1).json["usage"]
        assert usage["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] == 200


def test_fields_that_the_server_does_not_know_are_ignored_and_named(complete: Callable[..., Answer]) -> None:
    answer = complete(prompt=CAT, max_tokens=1, mirostat=2, **{"a b": 1, "x" * 100: 1})
    assert answer.status == 200
    assert answer.headers["neoxjp-ignored-fields"] == "mirostat"


@pytest.mark.parametrize(
    ("name", "neutral", "other"),
    [
        ("best_of", 1, 2), ("suffix", None, "end"), ("logit_bias", {}, {"5": 1}), ("presence_penalty", 0, 0.5),
        ("frequency_penalty", 0.0, 1), ("stop_token_ids", [], [3]), ("skip_special_tokens", True, False),
    ],
)  # fmt: skip
def test_fields_of_the_protocol_that_are_not_supported_are_refused(
    complete: Callable[..., Answer], name: str, neutral: object, other: object
) -> None:
    assert complete(prompt=CAT, max_tokens=1, **{name: neutral}).status == 200
    refused = complete(prompt=CAT, max_tokens=1, **{name: other})
    assert refused.status == 400
    assert refused.error["param"] == name
    assert "is not supported" in refused.error["message"]


def test_the_model_has_a_name_and_others_are_not_found(server: SimpleNamespace, complete: Callable[..., Answer]) -> None:
    (model,) = ask(f"{server.url}/v1/models").json["data"]
    assert (model["id"], model["object"], model["max_model_len"], model["vocab_size"]) == ("bundled", "model", 512, 8000)
    assert model["rows_are_independent"] is server.playground.ready.model.rows_are_independent
    assert model["cache_dtype"] == server.playground.ready.here.model.cache_dtype
    assert ask(f"{server.url}/v1/models/bundled").json == model
    assert complete(prompt=CAT, max_tokens=1, model="bundled").status == 200
    other = complete(prompt=CAT, model="gpt-4")
    assert other.status == 404
    assert (other.error["param"], other.error["code"]) == ("model", "model_not_found")
    assert "'bundled'" in other.error["message"]
    assert ask(f"{server.url}/v1/models/gpt-4").status == 404


def test_there_is_no_chat(server: SimpleNamespace) -> None:
    answer = ask(f"{server.url}/v1/chat/completions", {"messages": [{"role": "user", "content": "猫"}]})
    assert answer.status == 404
    assert "/v1/completions" in answer.error["message"]


def test_the_routes_of_the_tokenizer(server: SimpleNamespace) -> None:
    ids = server.playground.tokenizer.encode("慶應é")
    found = ask(f"{server.url}/tokenize", {"prompt": "慶應é", "add_special_tokens": False, "return_token_strs": True}).json
    assert found == {
        "count": len(ids), "max_model_len": 512, "tokens": ids,
        "token_strs": server.playground.tokenizer.convert_ids_to_tokens(ids),
    }  # fmt: skip
    assert ask(f"{server.url}/detokenize", {"tokens": ids}).json == {"prompt": server.playground.tokenizer.decode(ids)}
    info = ask(f"{server.url}/tokenizer_info").json
    assert info["eos_token"] == info["pad_token"] == "<|endoftext|>"
    bos = server.playground.ready.model.config.bos_token_id  # what clients put before a text that they score
    assert server.playground.tokenizer.encode(info["bos_token"]) == [bos]
    assert info["chat_template"] is None
    for body in ({"tokens": [8000]}, {"tokens": ["a"]}, {"tokens": 3}, {"tokens": [-1]}, {}):
        answer = ask(f"{server.url}/detokenize", body)
        assert (answer.status, answer.error["param"]) == (400, "tokens")


def test_the_description_has_every_field_with_its_default(server: SimpleNamespace) -> None:
    schemas = ask(f"{server.url}/openapi.json").json["components"]["schemas"]
    fields = schemas["CompletionRequest"]["properties"]
    for name, default in {
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "n": 1,
        "max_tokens": 16,
        "repetition_penalty": 1.0,
    }.items():
        assert fields[name]["default"] == default, name
    assert "min_new_tokens" not in fields
    assert set(schemas["Logprobs"]["properties"]) == {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
