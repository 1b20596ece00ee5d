"""Rules of the Tokens tab, without a browser: what its handlers show, what its API answers, what a public page refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neoxjp.errors import ParameterError
from neoxjp.labs.common import html as render
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.playground import Choice, Limits, Loaded, Playground
from neoxjp.page_parts.session.visitors import Visitors
from neoxjp.page_parts.strings import words
from neoxjp.page_parts.token_editor import Document
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.ui import tokenize

EN, JA = words("en"), words("ja")


@pytest.fixture(scope="module")
def playground(tiny_vocabulary: Path) -> Playground:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    return Playground(loaded=Loaded(Choice(str(tiny_vocabulary)), tokenizer, serial=1))


# ---------------------------------------------------------------- pieces, counts, ids


def patch_of(playground: Playground, document: Document, sent: Any) -> dict[str, Any]:
    """The patch that answers an edit."""
    found = tokenize.edited(playground, document, sent, EN)
    assert found is not None
    return json.loads(found["patch"])


def edit(playground: Playground, text: str, document: Document | None = None) -> tuple[dict[str, Any], Any, Any]:
    """What the page gets when its whole text is another one: the patch, the counts and the legend."""
    patch = patch_of(playground, document or Document(), {"text": text})
    html = patch.get("also", {}).get("html", {})
    return patch, html.get("tokenize-counts"), html.get("tokenize-legend")


def facts(playground: Playground, text: str, at: int = 0) -> dict[str, Any]:
    """What the popover shows of a token."""
    document = Document()
    edit(playground, text, document)
    found = tokenize.details(playground, document, {"at": at, "revision": 1}, EN, ["why_this_cut"])
    assert found is not None
    return json.loads(found["details"])


def test_a_text_shows_its_pieces_counts_and_ids(playground: Playground) -> None:
    ids = playground.tokenizer.encode("慶應大学")
    patch, counts, legend = edit(playground, "慶應大学")
    assert patch["pieces"] == [
        ["慶應", ids[:1], None, None, 1, "", "kanji folded"],
        ["大学", ids[1:], None, None, 1, "", "kanji"],
    ]
    assert "<dd>2</dd><dt>tokens</dt>" in counts
    assert ">漢 kanji<" in legend
    assert "shares its id with another spelling" in legend
    assert 'data-all="2" data-caption="2 tokens"' in legend
    assert tokenize.ids_of(playground, "慶應大学", EN) == ", ".join(map(str, ids))


def test_an_empty_text_shows_nothing_and_fails_at_nothing(playground: Playground) -> None:
    patch, counts, legend = edit(playground, "")
    assert patch["pieces"] == []
    assert tokenize.ids_of(playground, "", JA) == ""
    assert "<dd>0</dd>" in counts
    assert "key" not in legend


def test_what_cannot_be_seen_has_a_sign_and_what_decodes_differently_a_mark(playground: Playground) -> None:
    patch, _, _ = edit(playground, "大\u3000学\n")
    assert [(piece[0], piece[5], piece[6]) for piece in patch["pieces"]] == [
        ("大", "", "kanji"),
        ("\u3000", "□", "space lossy"),
        ("学", "", "kanji"),
        ("\n", "⏎", "space"),
    ]


def test_the_bytes_of_a_character_are_one_piece(playground: Playground) -> None:
    patch, _, legend = edit(playground, "𩸽")
    ((content, ids, *_),) = patch["pieces"]
    assert (content, len(ids)) == ("𩸽", 4)
    assert "superscript" in legend


def test_line_breaks_and_lone_surrogates_are_as_the_browser_has_them(playground: Playground) -> None:
    document = Document()
    edit(playground, "犬\r\n猫\ud800", document)
    assert document.text == "犬\n猫\ufffd"


@given(text=st.text(max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_pieces_are_the_text_and_have_the_ids_that_encode_gives(playground: Playground, text: str) -> None:
    document = Document()
    patch, _, _ = edit(playground, text, document)
    assert document.text == render.replace_surrogates(text.replace("\r\n", "\n").replace("\r", "\n"))
    ids = [id for piece in document.pieces for id in piece.ids]
    assert ids == playground.tokenizer.encode(render.replace_surrogates(text))
    json.dumps(patch, ensure_ascii=False).encode("utf-8")


def test_all_about_a_token(playground: Playground) -> None:
    found = facts(playground, "私は慶應", 2)
    assert found["name"] == "慶應"
    id = str(playground.tokenizer.encode("慶應")[0])
    assert dict(found["facts"]) == {
        "id": id,
        "piece": "慶應",
        "UTF-8": "E6 85 B6 E6 87 89",
        "script": "kanji",
        "kind": "word",
        "position": "3–4",
    }
    assert found["notes"] == [["folded", "“慶應” has the same id as “慶応”: decoding gives “慶応”."]]
    assert found["texts"] == ["all spellings of this id", ["慶応", "慶應"], ""]
    assert [name for name, _ in found["buttons"]] == ["why_this_cut"]


def test_a_plain_token_has_neither_notes_nor_other_spellings(playground: Playground) -> None:
    assert not {"notes", "texts"} & set(facts(playground, "大学"))


def test_every_byte_of_a_split_character_is_named(playground: Playground) -> None:
    found = dict(facts(playground, "犬𩸽", 1)["facts"])
    assert found["piece"] == "<|byte240|> <|byte169|> <|byte184|> <|byte189|>"
    assert (found["UTF-8"], found["kind"], found["position"]) == ("F0 A9 B8 BD", "byte", "2")


def test_an_edit_in_an_older_text_asks_for_the_whole_text(playground: Playground) -> None:
    document = Document()
    edit(playground, "犬", document)
    sent = {"revision": 0, "start": 0, "delete": 0, "insert": "猫"}
    patch = patch_of(playground, document, sent)
    assert patch["want"] == "text"
    assert "also" not in patch


def test_an_edit_is_answered_with_what_changed(playground: Playground) -> None:
    document = Document()
    edit(playground, "吾輩は猫である。" * 100, document)
    sent = {"revision": document.revision, "start": 0, "delete": 0, "insert": "猫"}
    patch = patch_of(playground, document, sent)
    assert (patch["start"], patch["delete"], [piece[0] for piece in patch["pieces"]]) == (0, 0, ["猫"])


def test_of_a_long_text_the_rest_is_counted_and_not_sent_again(playground: Playground) -> None:
    small = Playground(loaded=playground.loaded, limits=Limits(drawn_pieces=300))
    document = Document()
    _, counts, legend = edit(small, "犬猫" * 2_000, document)
    assert [bool(piece.ids) for piece in document.pieces] == [True] * 300 + [False] * 2
    assert document.text == "犬猫" * 2_000
    assert "Only the first 300 tokens are shown. The other 3,700 are counted but not shown." in legend
    assert "<dd>4,000</dd><dt>tokens</dt>" in counts
    sent = {"revision": document.revision, "start": 0, "delete": 0, "insert": "私"}
    patch = patch_of(small, document, sent)
    assert document.text == "私" + "犬猫" * 2_000
    assert [piece[0] for piece in patch["pieces"]] == ["私"]
    edit(small, "猫" * 4_000, document)
    assert sum(bool(piece.ids) for piece in document.pieces) == 300
    assert document.text == "猫" * 4_000


def test_a_token_of_a_long_text_is_found_without_the_rest(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Playground(loaded=playground.loaded, limits=Limits(drawn_pieces=300))
    document, read = Document(), []
    edit(small, "犬猫" * 20_000, document)
    whole = tokenize.details(playground, document, {"at": 299, "revision": document.revision}, EN)
    monkeypatch.setattr(tokenize, "tokens_of", lambda tokenizer, text: (read.append(len(text)), tokenizer.analyze(text))[1])
    assert tokenize.details(small, document, {"at": 299, "revision": document.revision}, EN) == whole
    assert read == [300 + tokenize.BEHIND]


def test_a_whole_character_is_shown_at_the_limit(playground: Playground) -> None:
    small = Playground(loaded=playground.loaded, limits=Limits(drawn_pieces=1))
    assert "Only the first 4 tokens are shown. The other 4" in edit(small, "𩸽𩸽")[2]


def test_a_text_beyond_the_limit_is_refused_with_both_numbers(playground: Playground) -> None:
    small = Playground(loaded=playground.loaded, limits=Limits(characters=5))
    document = Document()
    edit(small, "猫", document)
    patch, counts, _ = edit(small, "吾輩は猫であ", document)
    assert patch["message"] == "This text has 6 characters; the limit is 5. Please shorten it."
    assert counts is None
    assert document.text == "猫"


def test_every_edit_counts_against_the_characters_of_the_visitor(playground: Playground) -> None:
    visitors = Visitors(Caps(characters_each=10))
    small = Playground(loaded=playground.loaded, visitors=visitors)
    assert "message" not in edit(small, "吾輩は猫である")[0]
    assert "10 characters a minute" in edit(small, "吾輩は猫である")[0]["message"]


def test_before_the_vocabulary_is_there_the_page_keeps_its_text() -> None:
    assert tokenize.edited(Playground(), Document(), {"text": "猫"}, EN) is None


def test_the_box_of_ids_is_bounded_and_says_where_the_rest_is(playground: Playground) -> None:
    ids = tokenize.ids_of(playground, "猫" * (tokenize.IDS_SHOWN + 1), EN)
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
