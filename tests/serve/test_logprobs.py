"""Log probabilities over HTTP are those of `score` on the same ids, without bos, to the last bit."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from neoxjp.engine import score
from neoxjp.serve.logprobs import TokenNames
from tests.serve.conftest import serving
from tests.support.http import Answer, ask

TEXTS = [
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。" * 4,
    "慶應大學の圖書館で、ﾊﾝｶｸを讀む。",
    "é😀𩸽 abc\n　段落",
    "一",
]


def lm_eval(prompt: list[list[int]], **more: object) -> dict[str, object]:
    """What lm-evaluation-harness sends for log likelihoods (local-completions)."""
    return {"prompt": prompt, "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True} | more


def logprobs_of(choice: dict[str, object]) -> dict[str, list[object]]:
    return choice["logprobs"]  # type: ignore[return-value]


def test_the_prompts_log_probabilities_are_those_of_score_alone_and_in_a_batch(
    server: SimpleNamespace, complete: Callable[..., Answer]
) -> None:
    loaded = server.playground.ready
    if not loaded.model.rows_are_independent:
        pytest.skip("this machine has no packed weights")
    prompts = [loaded.tokenizer.encode(text) for text in TEXTS]
    batch = complete(**lm_eval(prompts)).json["choices"]
    for ids, choice in zip(prompts, batch, strict=True):
        steps = score(loaded.model, ids, loaded.tokenizer, top=1)
        (alone,) = complete(**lm_eval([ids])).json["choices"]
        for found in (choice, alone):
            columns = logprobs_of(found)
            assert columns["token_logprobs"][:-1] == [step.logprob for step in steps]
            assert len(columns["token_logprobs"]) == len(ids) + 1
            assert columns["top_logprobs"][0] is None
            for step, token, top in zip(steps[1:], columns["tokens"][1:], columns["top_logprobs"][1:], strict=False):
                assert top[token] == step.logprob  # type: ignore[index]
                assert max(top.values()) == step.top[0].logprob  # type: ignore[attr-defined]


def test_lm_evals_greedy_test_finds_the_same_float_twice(server: SimpleNamespace, complete: Callable[..., Answer]) -> None:
    prompt = server.playground.tokenizer.encode("吾輩は猫である。")
    greedy = complete(prompt=prompt, max_tokens=6, temperature=0, return_token_ids=True, ignore_eos=True).json["choices"][0][
        "token_ids"
    ]
    for ids, is_greedy in ((greedy, True), ([*greedy[:3], 5, 6], False)):
        columns = logprobs_of(complete(**lm_eval([prompt + ids])).json["choices"][0])
        own, top = columns["token_logprobs"][len(prompt) : -1], columns["top_logprobs"][len(prompt) : -1]
        assert all(a == max(b.values()) for a, b in zip(own, top, strict=True)) is is_greedy  # type: ignore[attr-defined]


def test_scoring_beside_other_requests_changes_no_bit(server: SimpleNamespace) -> None:
    if not server.playground.ready.model.rows_are_independent:
        pytest.skip("this machine has no packed weights")
    ids = [server.playground.tokenizer.encode(TEXTS[0])]

    def send(n: int) -> object:
        if n % 2:
            return ask(f"{server.url}/v1/completions", {"prompt": f"第{n}章", "max_tokens": 40, "seed": n}).status
        return ask(f"{server.url}/v1/completions", lm_eval(ids, max_tokens=0)).json["choices"]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(send, range(16)))
    assert set(map(str, found[1::2])) == {"200"}
    assert all(each == found[0] for each in found[::2])


def test_max_tokens_zero_scores_without_generating(complete: Callable[..., Answer], server: SimpleNamespace) -> None:
    ids = server.playground.tokenizer.encode(TEXTS[0])
    one, nothing = (complete(**lm_eval([ids], max_tokens=n)).json for n in (1, 0))
    columns = logprobs_of(nothing["choices"][0])
    assert columns == {name: values[:-1] for name, values in logprobs_of(one["choices"][0]).items()}
    assert nothing["choices"][0]["finish_reason"] == "length"
    assert nothing["usage"]["completion_tokens"] == 0
    assert complete(prompt=[1] * 512, max_tokens=0, echo=True, logprobs=0).status == 200
    too_long = complete(prompt=[1] * 513, max_tokens=0, echo=True, logprobs=0)
    assert (too_long.status, too_long.error["code"]) == (400, "context_length_exceeded")
    assert complete(prompt="猫", max_tokens=0).error["param"] == "max_tokens"


def test_generated_tokens_have_the_models_own_log_probabilities(complete: Callable[..., Answer], server: SimpleNamespace) -> None:
    fields = {"prompt": TEXTS[0], "max_tokens": 10, "seed": 3, "temperature": 0.7, "logprobs": 4, "return_token_ids": True}
    choice = complete(**fields).json["choices"][0]
    columns = logprobs_of(choice)
    assert all(4 <= len(top) <= 5 for top in columns["top_logprobs"])  # type: ignore[arg-type]
    ids = server.playground.tokenizer.encode(TEXTS[0])
    scored = complete(prompt=ids + choice["token_ids"], max_tokens=0, echo=True, logprobs=0).json["choices"][0]
    for found, expected in zip(columns["token_logprobs"], logprobs_of(scored)["token_logprobs"][len(ids) :], strict=True):
        assert found == pytest.approx(expected, abs=1e-5)
    events = complete(**fields, stream=True).events
    assert {name: [each for event in events for each in event["choices"][0]["logprobs"][name]] for name in columns} == columns


def test_logprobs_zero_lists_the_token_itself(complete: Callable[..., Answer]) -> None:
    columns = logprobs_of(complete(prompt="猫", max_tokens=2, logprobs=0).json["choices"][0])
    assert columns["top_logprobs"] == [
        {token: value} for token, value in zip(columns["tokens"], columns["token_logprobs"], strict=True)
    ]


def test_offsets_are_characters_of_the_users_text(complete: Callable[..., Answer], server: SimpleNamespace) -> None:
    tokenizer = server.playground.tokenizer
    for text in TEXTS:
        columns = logprobs_of(complete(prompt=text, max_tokens=3, echo=True, logprobs=0, seed=1).json["choices"][0])
        starts = [token.start for token in tokenizer.analyze(text)]
        assert columns["text_offset"][: len(starts)] == starts
        assert columns["text_offset"][len(starts)] == len(text)
    by_ids = complete(prompt=tokenizer.encode("猫é犬"), max_tokens=0, echo=True, logprobs=0).json["choices"][0]
    assert (by_ids["text"], logprobs_of(by_ids)["text_offset"]) == ("猫é犬", [0, 1, 1, 2])


def test_offsets_of_new_tokens_begin_at_the_new_text(complete: Callable[..., Answer]) -> None:
    choice = complete(prompt="吾輩は", max_tokens=12, logprobs=0, seed=1).json["choices"][0]
    columns = logprobs_of(choice)
    ends = [*columns["text_offset"][1:], len(choice["text"])]
    for token, start, end in zip(columns["tokens"], columns["text_offset"], ends, strict=True):
        assert choice["text"][start:end] == ("" if str(token).startswith("token_id:") else token) or "\n" in str(token)


def test_every_token_has_a_name_of_its_own(server: SimpleNamespace) -> None:
    tokenizer = server.playground.tokenizer
    names = TokenNames(tokenizer)
    found = [names(id) for id in range(tokenizer.vocab_size)]
    assert len(set(found)) == len(found)
    (byte, _) = tokenizer.encode("é")
    assert names(byte) == f"token_id:{byte}"
    assert names(tokenizer.encode("猫")[0]) == "猫"


def test_tokens_are_named_by_id_where_it_is_asked_for(complete: Callable[..., Answer]) -> None:
    choice = complete(prompt="猫", max_tokens=2, logprobs=1, return_tokens_as_token_ids=True, return_token_ids=True).json[
        "choices"
    ][0]
    assert logprobs_of(choice)["tokens"] == [f"token_id:{id}" for id in choice["token_ids"]]


def test_prompt_logprobs_are_records_by_id(complete: Callable[..., Answer], server: SimpleNamespace) -> None:
    loaded = server.playground.ready
    ids = loaded.tokenizer.encode(TEXTS[1])
    choice = complete(prompt=ids, max_tokens=1, prompt_logprobs=2).json["choices"][0]
    steps = score(loaded.model, ids, loaded.tokenizer, top=2)
    first, *rest = choice["prompt_logprobs"]
    assert first is None
    assert choice["logprobs"] is None
    for record, step in zip(rest, steps[1:], strict=True):
        own = record[str(step.id)]
        assert (own["logprob"], own["rank"]) == (step.logprob, step.rank)
        assert [record[str(each.id)]["rank"] for each in step.top[:2]] == [1, 2]
        assert 2 <= len(record) <= 3


def test_in_float32_log_probabilities_are_near_those_of_score() -> None:
    with serving("bundled", dtype="float32") as server:
        loaded = server.playground.ready
        (card,) = ask(f"{server.url}/v1/models").json["data"]
        assert card["rows_are_independent"] is loaded.model.rows_are_independent
        prompts = [loaded.tokenizer.encode(text) for text in TEXTS]
        choices = ask(f"{server.url}/v1/completions", lm_eval(prompts)).json["choices"]
        for ids, choice in zip(prompts, choices, strict=True):
            steps = score(loaded.model, ids)[1:]
            for found, step in zip(logprobs_of(choice)["token_logprobs"][1:], steps, strict=False):
                assert math.isclose(found, step.logprob, abs_tol=1e-5)  # type: ignore[arg-type]


def test_an_answer_with_too_many_log_probabilities_is_refused(complete: Callable[..., Answer]) -> None:
    answer = complete(prompt=[[1] * 500] * 60, max_tokens=0, echo=True, logprobs=20)
    assert answer.status == 400
    assert answer.error["param"] == "logprobs"
    assert "630,000" in answer.error["message"]
