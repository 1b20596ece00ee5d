"""Rules of the section of spellings × tokenizers, without a browser: what it shows, what its API answers, what it refuses."""

import json
import re
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from neoxjp.compare import to_csv, to_frame
from neoxjp.errors import NeoxjpError, ParameterError, PeerUnavailable
from neoxjp.labs.spellings import section
from neoxjp.labs.spellings.section import Asked, Drawn
from neoxjp.labs.spellings.strings import strings
from neoxjp.page_parts.session.playground import Choice, Limits, Loaded, NotReady, Playground
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

EN, JA = strings.words("en"), strings.words("ja")
HOSTILE = "<script>x</script>${y}\u202e\u200bか\u3099👨\u200d👩\ud800"


@pytest.fixture(scope="module")
def playground(tiny_vocabulary: Path) -> Playground:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    return Playground(loaded=Loaded(Choice(str(tiny_vocabulary), offline=True), tokenizer, serial=1))


def drawn(playground: Playground, text: str, **more: Any) -> Drawn:
    return section.draw(playground, Asked(text, **more), EN)


def csv_of(playground: Playground, asked: Asked, t: Any) -> str:
    return to_csv(to_frame(section.csv_records(playground, asked, t))).decode("utf-8")


def rows(table: str) -> list[str]:
    return re.findall(r'<button [^>]*data-key="(\w+)"', table)


def counts(table: str) -> list[str]:
    return re.findall(r'<b><span aria-hidden="true">([\d,]+)</span>', table)


# ---------------------------------------------------------------- the matrix


def test_a_text_meets_five_tokenizers_in_all_its_spellings(playground: Playground) -> None:
    table = drawn(playground, "国の犬").table
    assert rows(table) == ["written", "hiragana", "katakana", "halfwidth", "romaji", "old_kanji"]
    assert counts(table)[1:5] == ["3", "9", "3", "3"]  # GPT-4o, bytes, characters, words
    assert "same as written: new kanji" in table


def test_rows_that_changed_nothing_can_be_shown(playground: Playground) -> None:
    table = drawn(playground, "国の犬", same=True).table
    assert rows(table)[-1] == "new_kanji"
    assert "<small>same as written</small>" in table


def test_own_rows_stand_below_and_emptied_ones_are_gone(playground: Playground) -> None:
    table = drawn(playground, "犬", own=("wanko", "", "", "わんこ")).table
    assert rows(table)[-2:] == ["custom", "custom4"]


def test_nothing_of_the_hub_is_opened_before_the_visitor_says_so(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("neoxjp.compare.open_peer", lambda key, *_, **__: asked.append(key))
    found = section.columns_of(playground, Asked("犬", columns=("rinna", "tekken", "/etc")), EN)
    assert asked == []
    assert [column.peer for column in found] == [None, None, None]
    assert drawn(playground, "犬", columns=("rinna",)).pending == ("rinna",)
    assert "Not opened yet." in drawn(playground, "犬", columns=("rinna",)).table


def test_a_tokenizer_that_cannot_be_opened_says_why_in_its_cells_only(playground: Playground) -> None:
    problem = PeerUnavailable("ask its owner", ja="持ち主に頼んでください")
    asked = Asked("犬", columns=("characters", "gemma"), opened={"gemma": problem})
    for t, message in ((EN, "ask its owner"), (JA, "持ち主に頼んでください")):
        table = section.draw(playground, asked, t).table
        assert message in table
        assert counts(table)[0] == "1"


def test_a_folder_is_a_column_once_it_was_opened(playground: Playground, tiny_vocabulary: Path) -> None:
    table = drawn(playground, "東京", columns=("bytes", str(tiny_vocabulary)), opened={str(tiny_vocabulary): None}).table
    assert tiny_vocabulary.name in table
    assert counts(table)[:2] == ["6", "1"]


def test_a_public_page_takes_no_paths(playground: Playground, tiny_vocabulary: Path) -> None:
    public = Playground(public=True, loaded=playground.loaded)
    (column,) = section.opened(public, [str(tiny_vocabulary)])
    assert isinstance(column.problem, NeoxjpError)
    assert column.peer is None


def test_more_tokenizers_than_can_be_drawn_are_said(playground: Playground) -> None:
    many = tuple(f"hub/{number}" for number in range(12))
    found = drawn(playground, "犬", columns=many)
    assert "At most 10 tokenizers" in found.table
    assert len(found.pending) == 10


def test_only_the_start_of_a_long_text_is_compared_and_that_is_said(playground: Playground) -> None:
    found = drawn(playground, "猫" * 100_000)
    assert "Only the first 2,000 characters are compared." in found.table
    assert counts(found.table)[3] == "2,000"
    assert "Shows the tokens of the first 300 characters; the other 1,700 are only counted." in found.pieces
    assert len(found.ruby + found.table + found.pieces + found.chart) < 400_000


def test_no_text_draws_nothing_and_no_tokenizer_says_so(playground: Playground) -> None:
    assert drawn(playground, "") == Drawn()
    assert "Select at least one tokenizer." in drawn(playground, "犬", columns=()).table


def test_before_the_vocabulary_is_there_the_section_says_so() -> None:
    with pytest.raises(NotReady, match="No vocabulary is loaded"):
        section.draw(Playground(), Asked("猫"), EN)


def test_a_text_beyond_the_limit_is_refused(playground: Playground) -> None:
    small = Playground(loaded=playground.loaded, limits=Limits(characters=5))
    with pytest.raises(ParameterError, match="the limit is 5"):
        drawn(small, "吾輩は猫であ")


@pytest.mark.parametrize("text", [HOSTILE, "\ud800", "a", " ", "\n"])
def test_hostile_text_stays_text(playground: Playground, text: str) -> None:
    found = drawn(playground, text, own=(text,), row="custom", same=True, corrected=json.dumps({text: text}))
    html = found.ruby + found.table + found.pieces + found.chart
    assert "<script" not in html
    assert html.encode()
    if found.chart:
        ElementTree.fromstring(found.chart)


# ---------------------------------------------------------------- pieces, readings, doubts


def test_the_pieces_of_a_row_line_up_by_character(playground: Playground) -> None:
    pieces = drawn(playground, "東京都", columns=("neoxjp", "characters")).pieces
    assert pieces.count('<span class="spellings-char spellings-wide') == 3
    assert pieces.count('<i class="spellings-cut">') == 2  # both tokenizers cut where the text starts ...
    assert pieces.count("spellings-cut spellings-own") == 2  # ... only one before 京 and 都
    assert "<li>characters: 東 | 京 | 都</li>" in pieces


def test_the_chosen_row_is_the_one_that_is_drawn(playground: Playground) -> None:
    asked = Asked("東京", row="romaji")
    found = section.draw(playground, asked, EN)
    assert "Tokens: rōmaji" in found.pieces
    assert '<tr data-key="romaji" class="spellings-on">' in found.table
    assert section.row_of(playground, asked, EN) == found.pieces
    assert "Tokens: as written" in section.row_of(playground, replace(asked, row="no such row"), EN)


def test_a_corrected_reading_changes_every_row(playground: Playground) -> None:
    found = drawn(playground, "日本の犬", corrected=section.corrected("", "日本", "ニッポン"))
    pieces = re.sub("<sup>[^>]*</sup>|<[^>]*>", "", found.table)
    assert "にっぽんのいぬ" in pieces
    assert "Nippon␣no␣inu" in pieces
    assert "<rt>にっぽん</rt>" in found.ruby
    assert "spellings-corrected" in found.ruby


def test_an_emptied_correction_is_the_dictionarys_reading_again(playground: Playground) -> None:
    written = section.corrected("", "日本", "にっぽん")
    assert section.corrected(written, "日本", " ") == ""


@pytest.mark.parametrize("written", ["", "x", "[1]", "[" * 5_000, '{"a": 1}', '{"": "a"}', None, '{"犬": "' + "あ" * 99 + '"}'])
def test_corrections_that_are_none_are_left_out(written: str | None) -> None:
    assert section.corrections(written) == {}


def test_unknown_kanji_ask_for_a_reading(playground: Playground) -> None:
    assert 'class="spellings-word spellings-unknown"' in drawn(playground, "𩸽").ruby


def test_what_an_old_form_cannot_promise_is_said(playground: Playground) -> None:
    pieces = drawn(playground, "余分な海の弁", row="old_kanji").pieces
    assert "余 → 餘（余）" in pieces
    assert "弁 → 弁（辨・瓣・辯）" in pieces
    assert "Compatibility characters" in pieces


# ---------------------------------------------------------------- files


def test_the_csv_is_the_matrix_in_the_visitors_language(playground: Playground) -> None:
    csv = csv_of(playground, Asked("東京", columns=("bytes", "characters")), JA)
    assert csv.startswith("\ufeff表記,トークナイザー,トークン,")
    assert csv.count("\r\n") == 1 + 7 * 2
    assert "error" not in csv
    assert "Not" not in csv


def test_the_csv_says_what_could_not_be_opened(playground: Playground) -> None:
    asked = Asked("東京", columns=("bytes", "gemma"), opened={"gemma": PeerUnavailable("ask its owner")})
    assert "ask its owner" in csv_of(playground, asked, EN)


def test_the_chart_stands_alone(playground: Playground) -> None:
    chart = ElementTree.fromstring(drawn(playground, "東京", columns=("characters", "bytes")).chart)
    texts = ["".join(each.itertext()) for each in chart.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "Tokens per character"
    assert texts.count("characters") == 5  # old and new kanji are the same as written
    assert "3.00" in texts
    assert all(each.get("fill") for each in chart.iter("{http://www.w3.org/2000/svg}text"))


# ---------------------------------------------------------------- the API


@pytest.fixture(scope="module")
def client(page_url: str) -> Any:
    from gradio_client import Client

    return Client(page_url, verbose=False)


def test_compare_gives_a_record_for_each_spelling_and_tokenizer(client: Any) -> None:
    records = client.predict(text="東京", tokenizers=["neoxjp", "bytes"], own_spelling="Tokyo", api_name="/compare")
    assert [(record["spelling"], record["tokenizer"]) for record in records[:2]] == [("written", "neoxjp"), ("written", "bytes")]
    assert len(records) == 5 * 2
    assert records[0]["tokens"] == 1
    assert {record["error"] for record in records} == {None}


def test_compare_takes_more_spellings_tokenizers_and_readings(client: Any) -> None:
    records = client.predict(
        text="国", tokenizers=["sudachi-c"], spellings=["romaji", "old_kanji"], readings={"国": "こく"}, api_name="/compare"
    )
    assert [record["text"] for record in records] == ["国", "koku", "國"]


def test_an_unavailable_tokenizer_is_reported_and_spoils_nothing(client: Any) -> None:
    records = client.predict(text="犬", tokenizers=["characters", "/no/such"], spellings=[], api_name="/compare")
    assert [record["tokens"] for record in records] == [1, None]
    assert "/no/such" in records[1]["error"]


def test_spellings_gives_texts_readings_and_doubts(client: Any) -> None:
    answer = client.predict(text="余の国", spellings=["romaji", "old_kanji"], api_name="/spellings")
    assert [word["surface"] for word in answer["words"]] == ["余", "の", "国"]
    assert [each["spelling"] for each in answer["spellings"]] == ["written", "romaji", "old_kanji"]
    assert answer["spellings"][2]["text"] == "余の國"
    assert answer["spellings"][1]["spans"][-1][1] == len(answer["spellings"][1]["text"])


def test_half_a_surrogate_pair_is_compared_as_a_replacement_character(page_url: str) -> None:
    asked = json.dumps({"data": ["東京\ud800", ["neoxjp"], "\udfffx", None, None]}).encode()  # Python's own client cannot send it
    request = urllib.request.Request(f"{page_url}/gradio_api/run/compare", asked, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        records = json.load(answer)["data"][0]
    assert [record["text"] for record in (records[0], records[-1])] == ["東京\ufffd", "\ufffdx"]


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("/compare", {"text": "犬", "tokenizers": ["/no/such/folder"]}, "no tokenizer '/no/such/folder'"),
        ("/compare", {"text": "犬", "tokenizers": "bytes"}, "expected a list of names"),
        ("/compare", {"text": "犬", "tokenizers": ["bytes"] * 9}, "9 tokenizers: compare 8 at a time"),
        ("/compare", {"text": "犬", "spellings": ["klingon"]}, "choose from written, hiragana"),
        ("/spellings", {"text": "犬", "readings": ["犬"]}, "expected an object such as"),
        ("/spellings", {"text": 5}, "expected a string"),
    ],
)
def test_a_callers_mistake_comes_back_as_one_sentence(client: Any, name: str, given: dict[str, Any], message: str) -> None:
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=message):
        client.predict(**given, api_name=name)


def test_the_endpoints_are_documented_with_their_arguments(client: Any) -> None:
    described = client.view_api(return_format="dict")["named_endpoints"]
    names = {name: [argument["parameter_name"] for argument in ends["parameters"]] for name, ends in described.items()}
    assert names["/compare"] == ["text", "tokenizers", "own_spelling", "spellings", "readings"]
    assert names["/spellings"] == ["text", "spellings", "readings"]
    assert all(described[name]["description"] for name in ("/compare", "/spellings"))
