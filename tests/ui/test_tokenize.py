"""Rules of the Tokens tab, without a browser: what its handlers show, what its API answers, what a public page refuses."""

from pathlib import Path
from typing import Any

import pytest

from neoxjp.errors import ParameterError
from neoxjp.page_parts.session import Choice, Limits, Loaded, NotReady, Playground
from neoxjp.page_parts.strings import words
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.ui import tokenize

EN, JA = words("en"), words("ja")


@pytest.fixture(scope="module")
def playground(tiny_vocabulary: Path) -> Playground:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    return Playground(loaded=Loaded(Choice(str(tiny_vocabulary)), tokenizer, serial=1))


# ---------------------------------------------------------------- pieces, counts, ids


def test_a_text_shows_its_pieces_counts_and_ids(playground: Playground) -> None:
    view, counts, ids = tokenize.view_of(playground, "慶應大学", EN)
    assert view.count('role="option"') == 2
    assert "<dd>2</dd><dt>tokens</dt>" in counts
    assert ids == ", ".join(map(str, playground.tokenizer.encode("慶應大学")))


def test_an_empty_text_shows_nothing_and_fails_at_nothing(playground: Playground) -> None:
    view, counts, ids = tokenize.view_of(playground, "", JA)
    assert 'role="option"' not in view
    assert ids == ""
    assert "<dd>0</dd>" in counts


def test_a_text_beyond_the_limit_is_refused_with_both_numbers(playground: Playground) -> None:
    small = Playground(loaded=playground.loaded, limits=Limits(characters=5))
    with pytest.raises(ParameterError, match="This text has 6 characters; the limit is 5") as caught:
        tokenize.view_of(small, "吾輩は猫であ", EN)
    assert "6 文字あります" in caught.value.ja


def test_before_the_vocabulary_is_there_the_page_says_so() -> None:
    with pytest.raises(NotReady, match="No vocabulary is loaded"):
        tokenize.view_of(Playground(), "猫", EN)


def test_the_box_of_ids_is_bounded_and_says_where_the_rest_is(playground: Playground) -> None:
    ids = tokenize.view_of(playground, "猫" * (tokenize.IDS_SHOWN + 1), EN)[2]
    assert ids.count(",") >= tokenize.IDS_SHOWN - 1
    assert ids.endswith("(only the first 5,000; the API endpoint /tokenize returns all)")


@pytest.mark.parametrize("written", ["[{0}, {1}]", "{0} {1}", "{0},{1}", "{0}\n{1}\n", "({0}、{1})", "{0};{1}"])
def test_pasted_ids_are_read_however_they_are_separated(playground: Playground, written: str) -> None:
    ids = playground.tokenizer.encode("大学猫")
    assert tokenize.text_of_ids(playground, written.format(*ids)) == "大学猫"


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        ("12 x", "'x' is not a token id"),
        ("-1", "'-1' is not a token id"),
        ("1.5", "'1.5' is not a token id"),
        ("９", "'９' is not a token id"),
        ("999999", r"Id 999999 is not in this vocabulary \(0 to "),
        ("9999999999999999999", "is not a token id"),
    ],
)
def test_what_is_no_id_is_named(playground: Playground, pasted: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        tokenize.text_of_ids(playground, pasted)


def test_more_ids_than_characters_allowed_are_refused(playground: Playground) -> None:
    small = Playground(loaded=playground.loaded, limits=Limits(characters=2))
    with pytest.raises(ParameterError, match="3 ids: at most 2 can be decoded at a time"):
        tokenize.checked_ids(small, [1, 2, 3])


def test_no_ids_are_no_text(playground: Playground) -> None:
    assert tokenize.text_of_ids(playground, " [ ] ") == ""


# ---------------------------------------------------------------- the API


@pytest.fixture(scope="module")
def client(page_url: str) -> Any:
    from gradio_client import Client

    return Client(page_url, verbose=False)


def test_tokenize_gives_ids_records_and_counts(client: Any, playground: Playground) -> None:
    answer = client.predict(text="慶應で𩸽", api_name="/tokenize")
    assert answer["ids"] == playground.tokenizer.encode("慶應で𩸽")
    assert answer["tokens"][0]["surface"] == "慶應"
    assert answer["tokens"][0]["folded"]
    assert answer["counts"]["characters"] == 4


def test_tokenize_has_the_compat_mode(client: Any, playground: Playground) -> None:
    assert client.predict(text="a,b", compat=True, api_name="/tokenize")["ids"] == playground.tokenizer_as(compat=True).encode(
        "a,b"
    )


def test_detokenize_is_the_way_back(client: Any, playground: Playground) -> None:
    assert client.predict(ids=playground.tokenizer.encode("𩸽 と\n鱈"), api_name="/detokenize") == "𩸽 と\n鱈"


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("/detokenize", {"ids": [10**6]}, "Id 1000000 is not in this vocabulary"),
        ("/detokenize", {"ids": "猫"}, "expected a list of whole numbers"),
        ("/detokenize", {"ids": [1.5]}, "expected a list of whole numbers"),
        ("/tokenize", {"text": 5}, "expected a string"),
    ],
)
def test_a_callers_mistake_comes_back_as_one_sentence(client: Any, name: str, given: dict[str, Any], message: str) -> None:
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=message):
        client.predict(**given, api_name=name)


def test_every_endpoint_is_documented_with_its_arguments(client: Any) -> None:
    described = client.view_api(return_format="dict")["named_endpoints"]
    names = {name: [argument["parameter_name"] for argument in ends["parameters"]] for name, ends in described.items()}
    assert names["/tokenize"] == ["text", "compat"]
    assert names["/detokenize"] == ["ids", "skip_special_tokens"]
    assert all(described[name]["description"] for name in names)


def test_lone_surrogates_come_back_as_replacement_characters(playground: Playground) -> None:
    from neoxjp.page_parts.answers import plain

    assert plain({"text": "a\ud800", "list": ["\udfff"]}) == {"text": "a\ufffd", "list": ["\ufffd"]}
