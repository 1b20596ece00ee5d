"""The named endpoints of a running page, called as a visitor's program calls them."""

import json
import math
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.engine import score
from tests.support.page import serve, wait_for_model

EXAMPLE = Path(__file__).parents[2] / "examples" / "api_client.py"
ENDPOINTS = {"/generate", "/score", "/model_info", "/tokenize", "/detokenize", "/compare", "/spellings", "/copy"}
ENDPOINTS |= {"/explain", "/round_trip"}
ENDPOINTS |= {"/vocabulary", "/vocabulary_entry", "/vocabulary_stats", "/vocabulary_diff"}
ENDPOINTS |= {"/corpus", "/tokenizer_report"}
ENDPOINTS |= {"/heat_map", "/compare_texts", "/beams", "/lens", "/attention", "/heads", "/salience", "/patching"}
ENDPOINTS |= {"/minimal_pairs"}
ENDPOINTS |= {"/side_by_side", "/sweep", "/replay"}
ENDPOINTS |= {"/sampling_trace", "/edit", "/force"}


@pytest.fixture(scope="module")
def client(page_url: str) -> Iterator[Client]:
    with_page = Client(page_url, verbose=False)
    yield with_page
    with_page.close()


def last(client: Client, **given: Any) -> dict[str, Any]:
    job = client.submit(**given, api_name="/generate")
    answers = list(job)  # ends silently where the page refuses
    return answers[-1] if answers else job.result()


def test_every_endpoint_is_named_and_described(client):
    found = client.view_api(return_format="dict")["named_endpoints"]
    assert set(found) >= ENDPOINTS
    for name in ENDPOINTS:
        assert found[name]["description"], name
        assert not any(given["parameter_name"].startswith("param_") for given in found[name]["parameters"]), name


def test_only_the_named_endpoints_are_public(client):
    found = client.view_api(return_format="dict")
    assert found["unnamed_endpoints"] == {}
    assert set(found["named_endpoints"]) <= ENDPOINTS


def called_by_position(url: str, name: str, values: list[Any]) -> list[str]:
    """The lines of the answer to a raw call, with its values in the order of the parameters."""
    body = json.dumps({"data": values}).encode()
    request = urllib.request.Request(f"{url}/gradio_api/call/{name}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{url}/gradio_api/call/{name}/{event}", timeout=60) as answer:
        return answer.read().decode().splitlines()


def test_a_call_by_position_may_leave_out_what_has_a_default(page_url, client):
    (found,) = json.loads(called_by_position(page_url, "tokenize", ["猫である"])[-2].removeprefix("data: "))
    assert found == client.predict(text="猫である", api_name="/tokenize")
    lines = called_by_position(page_url, "generate", ["猫", 0, 1, 3])  # temperature, top_p, max_new_tokens
    (end,) = json.loads([line for line in lines if line.startswith("data: [")][-1].removeprefix("data: "))
    assert end["ids"] == last(client, prompt="猫", temperature=0, top_p=1, max_new_tokens=3)["ids"]


def test_a_call_by_position_without_a_value_that_is_needed_says_which(page_url):
    lines = called_by_position(page_url, "tokenize", [])
    assert "event: error" in lines
    assert any("/tokenize needs a value for 'text'" in line for line in lines)


def test_an_error_comes_in_the_language_of_the_caller(page_url):
    body = json.dumps({"data": ["猫", -1]}).encode()
    for language, sentence in (("ja", "temperature=-1 は、0（貪欲法）以上の数にしてください"), ("en", "temperature=-1 must be")):
        headers = {"Content-Type": "application/json", "Accept-Language": language}
        with urllib.request.urlopen(
            urllib.request.Request(f"{page_url}/gradio_api/call/generate", body, headers), timeout=30
        ) as answer:
            event = json.load(answer)["event_id"]
        with urllib.request.urlopen(f"{page_url}/gradio_api/call/generate/{event}", timeout=60) as answer:
            assert sentence in json.loads(answer.read().decode().split("data: ")[-1].strip())["error"]


def test_generate_streams_a_growing_text(client):
    job = client.submit(prompt="吾輩は", max_new_tokens=30, min_new_tokens=30, seed=1, api_name="/generate")
    answers = list(job)
    texts = [answer["text"] for answer in answers]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    end = answers[-1]
    assert end["text"] == "吾輩は" + end["continuation"]
    assert len(end["ids"]) == len(end["tokens"]) == end["stats"]["tokens"] == 30
    assert end["finish"] == "length"
    assert all("tokens" not in answer for answer in answers[:-1])


def test_the_same_seed_gives_the_same_ids_and_is_reported(client):
    first = last(client, prompt="猫", max_new_tokens=8)
    again = last(client, prompt="猫", max_new_tokens=8, seed=first["seed"])
    assert again["ids"] == first["ids"]


def test_token_records_list_alternatives(client):
    end = last(client, prompt="猫", max_new_tokens=3, min_new_tokens=3, temperature=0, top=5)
    for token in end["tokens"]:
        assert token["rank"] >= 1
        assert len(token["top"]) in (5, 6)
        assert token["id"] in [choice["id"] for choice in token["top"]]
        assert token["probability"] == pytest.approx(math.exp(token["logprob"]))


def test_an_empty_prompt_and_stop_strings_work(client):
    end = last(client, prompt="", max_new_tokens=5, min_new_tokens=5, seed=3)
    assert end["stats"]["tokens"] == 5
    stop = end["continuation"][1]
    stopped = last(client, prompt="", max_new_tokens=5, min_new_tokens=5, seed=3, stop=[stop])
    assert stopped["finish"] == "stop"
    assert stopped["continuation"] == end["continuation"].split(stop)[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"temperature": -1}, "temperature=-1"),
        ({"top_p": 7}, "top_p=7"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"prompt": "猫" * 3000}, "context"),
        ({"seed": -5}, "seed=-5"),
        ({"max_new_tokens": "7"}, "max_new_tokens='7' must be a whole number"),
        ({"min_new_tokens": None}, "min_new_tokens=None must be a whole number"),
        ({"top": 1.5}, r"top=1\.5 must be a whole number"),
        ({"stop": "。"}, "stop='。': expected a list of strings"),
        ({"stop": ["。"] * 33}, "at most 32 stop strings"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(client, given, message):
    with pytest.raises(AppError, match=message):
        last(client, **({"prompt": "猫", "max_new_tokens": 2} | given))


def test_a_text_goes_on_by_ids(client, page_model):
    _, tokenizer = page_model
    first = last(client, prompt="東京都の", max_new_tokens=6, min_new_tokens=6, temperature=0, repetition_penalty=1)
    half = last(
        client, prompt="東京都の", ids=first["ids"][:2], max_new_tokens=4, min_new_tokens=4, temperature=0, repetition_penalty=1
    )
    assert half["ids"] == first["ids"][2:]
    assert half["text"] == first["text"]
    apart = [*tokenizer.encode("東"), *tokenizer.encode("京")]  # as one text they are another id
    assert last(client, prompt="", ids=apart, max_new_tokens=1)["text"].startswith("東京")
    with pytest.raises(AppError, match="ids holds id 99999"):
        last(client, prompt="猫", ids=[99999])


def test_an_edit_keeps_the_ids_before_it(client, page_model):
    _, tokenizer = page_model
    ids = tokenizer.encode("の大学です")
    found = client.predict(text="慶應の犬です", prompt="慶應", ids=ids, api_name="/edit")
    old = [*tokenizer.encode("慶應"), *ids]
    assert found["ids"][: found["unchanged_ids"]] == old[: found["unchanged_ids"]]
    assert found["unchanged_ids"] == len(tokenizer.encode("慶應の"))
    assert found["ids"][found["agree_from"] :] == old[found["old_span"][1] :]
    assert (found["text"], found["lossy"]) == ("慶応の犬です", True)
    with pytest.raises(AppError, match="ids"):
        client.predict(text="猫", ids=["x"], api_name="/edit")


def test_forced_words_are_scored_and_generation_continues_from_them(client, page_model):
    model, tokenizer = page_model
    ids = tokenizer.encode("の大学です")
    found = client.predict(text="犬です", prompt="東京", ids=ids, position=1, api_name="/force")
    before = [*tokenizer.encode("東京"), ids[0]]
    assert found["ids"] == [*before, *tokenizer.encode("犬です")]
    steps = score(model, found["ids"])[len(before) :]
    assert [token["rank"] for token in found["tokens"]] == [step.rank for step in steps]
    assert found["bits"] == pytest.approx(-sum(step.logprob for step in steps) / math.log(2), abs=1e-2)
    assert last(client, prompt="", ids=found["ids"], max_new_tokens=1)["text"].startswith("東京の犬です")
    found = client.predict(text="犬です", api_name="/force")  # a text of its own begins after bos
    steps = score(model, found["ids"], bos=True)
    assert [token["rank"] for token in found["tokens"]] == [step.rank for step in steps]
    for wrong, message in (
        ({"position": 9}, "from 0 to"),
        ({"text": ""}, "Enter the words"),
        ({"ids": [10**6]}, "1000000"),
        ({"text": "犬" * 3000}, "too long to be scored"),
    ):
        with pytest.raises(AppError, match=message):
            client.predict(**({"text": "犬", "prompt": "東京", "ids": ids} | wrong), api_name="/force")


def test_a_prompt_too_long_is_cut_when_asked(client):
    end = last(client, prompt="猫" * 3000, max_new_tokens=2, min_new_tokens=2, truncate=True)
    assert end["truncated_tokens"] > 2000
    assert end["stats"]["tokens"] == 2


def test_a_client_that_leaves_frees_its_slot(client):
    job = client.submit(prompt="猫", max_new_tokens=500, min_new_tokens=500, api_name="/generate")
    next(iter(job))
    job.cancel()
    for _ in range(100):
        if client.predict(api_name="/model_info")["engine"]["running"] == 0:
            break
    else:
        pytest.fail("the slot is still taken")


def test_score_is_the_models_own(client, page_model):
    model, tokenizer = page_model
    found = client.predict(text="吾輩は猫である。", top=3, api_name="/score")
    ours = score(model, tokenizer.encode("吾輩は猫である。"), tokenizer, bos=True)
    assert [token["id"] for token in found["tokens"]] == [step.id for step in ours]
    for token, step in zip(found["tokens"], ours, strict=True):
        assert token["logprob"] == pytest.approx(step.logprob, abs=1e-3)
        assert token["rank"] == step.rank
    bits = -sum(step.logprob for step in ours) / math.log(2)
    assert found["bits"] == pytest.approx(bits, abs=1e-2)
    assert found["bits_per_character"] == pytest.approx(bits / 8, abs=1e-2)
    assert found["perplexity_per_token"] == pytest.approx(2 ** (bits / len(ours)), rel=1e-3)


def test_the_score_of_nothing_is_nothing(client):
    found = client.predict(text="", api_name="/score")
    assert (found["tokens"], found["bits_per_character"], found["perplexity_per_token"]) == ([], None, None)


def test_too_long_a_text_is_not_scored(client):
    with pytest.raises(AppError, match="send it in parts"):
        client.predict(text="猫" * 20_000, api_name="/score")


def test_model_info_is_the_loaded_model(client, page_model):
    model, _ = page_model
    found = client.predict(api_name="/model_info")
    assert found["state"] == "ready"
    assert found["model"]["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert found["model"]["config"]["hidden_size"] == model.config.hidden_size
    assert found["model"]["attention"]["kernel"]


@pytest.fixture(scope="module")
def page_model(tiny_folder: Path) -> tuple[GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer]:
    return (
        GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder, dtype="float32"),
        GPTNeoXJapaneseTokenizer.from_pretrained(tiny_folder),
    )


def test_no_file_can_be_left_here(page_url):
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.html"\r\n\r\nsome bytes\r\n--x--\r\n'
    request = urllib.request.Request(f"{page_url}/gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"})
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(request, timeout=30)


def test_the_example_client_runs(page_url):
    command = [sys.executable, str(EXAMPLE), page_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "吾輩は猫である" in done.stdout


@pytest.mark.slow
def test_a_public_page_is_bounded_and_has_no_controls_for_loading(tiny_folder):
    with serve(tiny_folder, "--public") as url:
        wait_for_model(url)
        with urllib.request.urlopen(f"{url}/config", timeout=30) as answer:
            names = {block["props"].get("elem_id") for block in json.load(answer)["components"]}
        assert "model-facts" in names
        assert not {"model-name", "model-load", "model-revision", "model-dtype"} & names
        client = Client(url, verbose=False)
        found = client.predict(api_name="/model_info")
        assert found["public"]
        assert found["limits"]["new_tokens"]
        assert str(tiny_folder.parent) not in json.dumps(found)
        with pytest.raises(AppError, match="characters"):
            last(client, prompt="猫" * 300_000)
        client.close()
