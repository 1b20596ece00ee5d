"""Rules of the section "why this cut", without a browser: its handlers, the endpoint /explain and the command."""

import json
from pathlib import Path
from typing import Any

import pytest

from neoxjp.cli.main import main
from neoxjp.labs.why_this_cut import section as why
from neoxjp.labs.why_this_cut import view
from neoxjp.labs.why_this_cut.endpoints import EXPLAINED
from neoxjp.labs.why_this_cut.records import Cuts
from neoxjp.labs.why_this_cut.strings import strings
from neoxjp.page_parts.session.playground import Choice, Loaded, NotReady, Playground
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

EN, JA = strings.words("en"), strings.words("ja")


@pytest.fixture(scope="module")
def playground(tiny_vocabulary: Path) -> Playground:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    return Playground(loaded=Loaded(Choice(str(tiny_vocabulary)), tokenizer, serial=1))


def shown(playground: Playground, text: str, position: Any = 1, tried: str = "", which: Any = "next", word: str = "") -> Any:
    return why.shown_of(playground, text, position, tried, which, word, EN)


# ---------------------------------------------------------------- the view


def test_a_place_shows_its_window_its_ladder_and_the_reason(playground: Playground) -> None:
    place, tried, _ = shown(playground, "東京に住む")
    assert "1 of 4" in place
    assert place.count("<tr") == 1 + 3
    assert "– not in the vocabulary" in place
    assert "✓ chosen" in place
    assert "× id larger by" in place
    assert '<b class="why-this-cut-won">東京</b>に' in place
    assert "The one with the smallest id is chosen: “東京”" in place
    assert tried == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ぬ", "is the only candidate at this position"),
        ("<URL>", "the longest tag has priority"),
        ("<|endoftext|>", "“<|endoftext|>” is a special token"),
        ("😀", "The emoji “😀” is replaced by the tag <|emoji1|>"),
        ("\u3000", "The space “□” is replaced by the tag <SP>"),
        ("<SP>", "“<SP>” is a tag in the vocabulary"),
        ("¡", "“¡” (U+00A1) is not in the vocabulary. All such symbols of its class become the single token <KIGOU>"),
        ("‖", "All such symbols from U+2000 to U+2BFF"),
        ("é", "Each of the 2 UTF-8 bytes (C3 A9) of “é” becomes one token"),
        ("\ud800", "U+D800 is a lone surrogate"),
    ],
)
def test_each_rule_has_its_sentence_in_both_languages(playground: Playground, text: str, reason: str) -> None:
    cuts = Cuts(playground.tokenizer, text)
    assert reason in view.sentence(cuts[0], cuts, EN)
    assert view.sentence(cuts[0], cuts, JA).endswith("。")


def test_a_shorter_piece_that_wins_is_explained_as_such(tmp_path: Path, tiny_vocabulary: Path) -> None:
    lines = (tiny_vocabulary / "vocab.txt").read_text(encoding="utf-8")
    (tmp_path / "vocab.txt").write_text(lines + "東京に\n", encoding="utf-8")
    cuts = Cuts(GPTNeoXJapaneseTokenizer(tmp_path / "vocab.txt", tiny_vocabulary / "emoji.json"), "東京に")
    assert "The smallest id has priority, not the longest match" in view.sentence(cuts[0], cuts, EN)


def test_text_cleaned_by_the_model_is_explained(tiny_vocabulary: Path) -> None:
    files = (tiny_vocabulary / "vocab.txt", tiny_vocabulary / "emoji.json")
    cuts = Cuts(GPTNeoXJapaneseTokenizer(*files, do_clean_text=True), "03-1234-5678")
    assert view.sentence(cuts[0], cuts, EN).startswith("“03-1234-5678” is replaced by the tag <TEL> (do_clean_text)")


@pytest.mark.parametrize(("position", "surface"), [(None, "犬"), (-5, "犬"), (2, "猫"), (99, "猫"), (1.7, "犬")])
def test_any_number_in_the_field_leads_to_a_place(playground: Playground, position: Any, surface: str) -> None:
    assert f'<b class="why-this-cut-won">{surface}</b>' in shown(playground, "犬猫", position)[0]


def test_of_a_text_beyond_the_bound_only_its_beginning_is_looked_at(playground: Playground, monkeypatch: Any) -> None:
    monkeypatch.setattr(why, "LONGEST", 3)
    place, *_ = shown(playground, "犬猫犬猫", 4)
    assert "Only the first 3 characters are checked." in place
    assert "3 of 3" in place


def test_an_empty_text_asks_for_one(playground: Playground) -> None:
    assert shown(playground, "") == (
        '<p class="why-this-cut-note">Enter a text to see why it is split where it is.</p>',
        "",
        "",
    )


def test_before_the_vocabulary_is_there_the_section_says_so() -> None:
    with pytest.raises(NotReady):
        shown(Playground(), "猫")


def test_a_character_tried_shows_before_and_after(playground: Playground) -> None:
    tried = shown(playground, "東京に住む", 1, "都")[1]
    assert "With “都” in place of “に”, this token becomes “東京都”" in tried
    assert "From character 4 on, the tokens are the same." in tried
    assert "this token does not change" in shown(playground, "東京都に", 1, "犬")[1]
    assert "With “に”, the tokens do not change." in shown(playground, "東京に", 1, "に")[1]
    assert "With “都” at the end of the text, this token becomes “東京都”" in shown(playground, "東京", 1, "都")[1]
    assert 'role="alert"' in shown(playground, "東京", 1, "都" * 21)[1]


def test_a_word_shows_its_pieces_and_what_comes_near(playground: Playground) -> None:
    entries = shown(playground, "吾輩は", 1)[2]
    assert "The word “吾輩” is a single token." in entries
    cut = shown(playground, "慶應大学", 1, word="慶應大学")[2]
    assert "Entries have at most three" in cut
    assert "2 of 4 characters" in cut
    assert "✓ chosen" in cut
    assert "&#39;鳥&#39; is not in the text" in shown(playground, "犬", 1, word="鳥")[2]


def test_nothing_a_user_typed_becomes_markup(playground: Playground) -> None:
    text = "<script>x</script><img src=x>"
    for position in range(1, len(text) + 1):
        for html in shown(playground, text, position, "<b>", word="<script>"):
            assert "<script" not in html
            assert "<img" not in html
            assert "“<b>”" not in html


# ---------------------------------------------------------------- the API


@pytest.fixture(scope="module")
def client(page_url: str) -> Any:
    from gradio_client import Client

    return Client(page_url, verbose=False)


def test_explain_answers_with_the_records(client: Any, playground: Playground) -> None:
    answer = client.predict(text="東京に住む", at=1, replacement="都", api_name="/explain")
    (token,) = answer["tokens"]
    assert [(candidate["piece"], candidate["won"]) for candidate in token["candidates"]] == [
        ("東京に", False),
        ("東京", True),
        ("東", False),
    ]
    assert token["ids"] == playground.tokenizer.encode("東京")
    assert [part["surface"] for part in answer["what_if"]["after"]] == ["東京都"]
    assert answer["word"]["surface"] == "東京"


def test_explain_without_a_place_tells_all_cuts(client: Any, playground: Playground) -> None:
    answer = client.predict(text="慶應é,", api_name="/explain")
    assert [id for cut in answer["tokens"] for id in cut["ids"]] == playground.tokenizer.encode("慶應é,")
    compat = client.predict(text="a,", compat=True, api_name="/explain")
    assert [id for cut in compat["tokens"] for id in cut["ids"]] == playground.tokenizer_as(compat=True).encode("a,")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": "犬", "at": 5}, "position 5: the text has 1 characters"),
        ({"text": "犬", "at": 0.5}, "at=0.5: expected a whole number"),
        ({"text": "犬", "at": 0, "replacement": 3}, "replacement=3: expected a string"),
        ({"text": "犬", "replacement": "猫"}, "needs a place"),
        ({"text": "犬", "at": 0, "which": "last"}, "choose one of 'next', 'second', 'third'"),
        ({"text": "犬" * (EXPLAINED + 1)}, "5,001"),
    ],
)
def test_explain_refuses_what_it_cannot_answer(client: Any, given: dict[str, Any], message: str) -> None:
    if "which" in given:
        given = {**given, "replacement": "猫"}
    with pytest.raises(Exception, match=message):
        client.predict(**given, api_name="/explain")


# ---------------------------------------------------------------- the command


def test_the_command_prints_a_line_for_each_cut(tiny_vocabulary: Path, capsys: Any) -> None:
    assert main(["explain", "東京é", "--model", str(tiny_vocabulary)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "東京" in first
    assert "smallest id wins" in first
    assert second.endswith("its UTF-8 bytes")


def test_the_command_tells_all_about_one_place(tiny_vocabulary: Path, capsys: Any) -> None:
    assert main(["explain", "東京に住む", "--at", "0", "--try", "都", "--model", str(tiny_vocabulary)]) == 0
    out = capsys.readouterr().out
    assert "not in the vocabulary" in out
    assert "with '都' for 'に' at 2: this token changes" in out
    assert "東京│に  →  東京都" in out
    assert "the word '東京' is one token" in out


def test_the_command_prints_the_same_record_as_the_api(tiny_vocabulary: Path, capsys: Any, client: Any) -> None:
    assert main(["explain", "慶應大学で", "--at", "3", "--word", "慶應大学", "--json", "--model", str(tiny_vocabulary)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == client.predict(text="慶應大学で", at=3, word="慶應大学", api_name="/explain")
    assert record["word"]["fits"] is False


def test_the_command_refuses_a_place_that_is_not_there(tiny_vocabulary: Path, capsys: Any) -> None:
    assert main(["explain", "犬", "--at", "4", "--model", str(tiny_vocabulary)]) == 2
    assert capsys.readouterr().err == "neoxjp explain: position 4: the text has 1 characters, counted from 0\n"
