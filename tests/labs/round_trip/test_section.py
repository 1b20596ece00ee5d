"""Rules of the section "round trip", without a browser: its handlers, the endpoint /round_trip and the command."""

import json
from pathlib import Path
from typing import Any

import pytest

from neoxjp.cli.main import main
from neoxjp.labs.round_trip import section as roundtrip
from neoxjp.labs.round_trip import view
from neoxjp.labs.round_trip.endpoints import SENT
from neoxjp.labs.round_trip.records import REASONS
from neoxjp.labs.round_trip.strings import strings
from neoxjp.page_parts.session.playground import Choice, Loaded, NotReady, Playground
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

EN, JA = strings.words("en"), strings.words("ja")


@pytest.fixture(scope="module")
def playground(tiny_vocabulary: Path) -> Playground:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    return Playground(loaded=Loaded(Choice(str(tiny_vocabulary)), tokenizer, serial=1))


def shown(playground: Playground, text: str, compat: bool = False, normalization: Any = "none", t: Any = EN) -> Any:
    return roundtrip.shown_of(playground, text, compat, normalization, t)


# ---------------------------------------------------------------- the view


def test_the_losses_are_counted_marked_and_given_a_reason(playground: Playground) -> None:
    summary, aligned, reasons, effect, button = shown(playground, "慶應大学—猫")
    assert "Changed by the round trip: 2 of 6 characters." in summary
    assert "33.33 %" in summary
    assert aligned.count('<i aria-hidden="true">≠</i>') == 2
    assert "Spelling variant" in reasons
    assert "Dash replacement" in reasons
    assert "<b>慶應</b> → <b>慶応</b>" in reasons
    assert "before you apply it" in effect
    assert button["interactive"] is False


def test_a_text_without_losses_says_so(playground: Playground) -> None:
    summary, aligned, reasons, *_ = shown(playground, "猫と犬")
    assert "Nothing changes: 3 of 3 characters are restored." in summary
    assert "≠</i>" not in aligned
    assert reasons == ""


def test_a_normalisation_is_shown_before_it_is_used(playground: Playground) -> None:
    *_, effect, button = shown(playground, "ｱ①猫", normalization="nfkc")
    assert "Changes 2 characters in 2 places." in effect
    assert "<b>①</b> → <b>1</b>" in effect
    assert "0 (−2)" in effect
    assert button["interactive"] is True
    assert roundtrip.normalized(playground, "ｱ①猫", False, "nfkc") == "ア1猫"


def test_a_normalisation_without_effect_cannot_be_used(playground: Playground) -> None:
    *_, effect, button = shown(playground, "猫", normalization="nfc")
    assert "This text does not change." in effect
    assert button["interactive"] is False


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_its_words(reason: str) -> None:
    for t in (EN, JA):
        assert t(f"round_trip_reason_{reason}")
        assert t(f"round_trip_because_{reason}")


def test_with_compat_the_losses_of_transformers_are_named(playground: Playground) -> None:
    _, aligned, reasons, *_ = shown(playground, " é,", compat=True)
    for name in ("Byte-by-byte decoding", "Stripped whitespace", "Comma"):
        assert name in reasons
    assert '<i aria-hidden="true">≈</i>,' in aligned
    assert "∅" in aligned


def test_of_a_long_text_only_what_changes_is_drawn(playground: Playground) -> None:
    text = "猫" * 5_000 + "慶應" + "犬" * 5_000
    _, aligned, *_ = shown(playground, text)
    assert "… 4,988 unchanged characters …" in aligned
    assert len(aligned) < 2_000


def test_a_short_stretch_between_two_differences_is_not_folded(playground: Playground) -> None:
    _, aligned, *_ = shown(playground, "猫" * 500 + "①" + "犬" * 30 + "①" + "人" * 500)
    assert aligned.count("round-trip-fold") == 2
    assert f"<span>{'犬' * 30}</span>" in aligned


def test_the_number_of_differences_drawn_is_bounded_and_said(playground: Playground) -> None:
    summary, aligned, reasons, *_ = shown(playground, "慶應" * 1_000)
    assert aligned.count("round-trip-pair") == view.DRAWN
    assert "Only the first 200 differences are shown. The other 800 are included in the counts below." in aligned
    assert "×1,000" in reasons
    assert "1,000 of 2,000" in summary


def test_of_a_text_beyond_the_bound_only_its_beginning_is_looked_at(playground: Playground, monkeypatch: Any) -> None:
    monkeypatch.setattr(roundtrip, "LONGEST", 3)
    assert "Only the first 3 characters are checked." in shown(playground, "犬猫犬猫")[0]


def test_an_empty_text_asks_for_one(playground: Playground) -> None:
    assert shown(playground, "")[:4] == ('<p class="lab-note">Enter a text to see the result here.</p>', "", "", "")
    with pytest.raises(NotReady):
        shown(Playground(), "猫")


def test_nothing_a_user_typed_becomes_markup(playground: Playground) -> None:
    for html in shown(playground, "<script>x</script>\u202e<img src=x>①\ud800 03-1234-5678", compat=True, normalization="clean")[
        :4
    ]:
        assert "<script" not in html
        assert "<img" not in html
        assert "\u202e" not in html


# ---------------------------------------------------------------- the API and the command


@pytest.fixture(scope="module")
def client(page_url: str) -> Any:
    from gradio_client import Client

    return Client(page_url, verbose=False)


def test_roundtrip_answers_with_the_records(client: Any) -> None:
    answer = client.predict(text="慶應—é", api_name="/round_trip")
    assert answer["roundtrip"]["decoded"] == "慶応ーé"
    assert [found["reason"] for found in answer["roundtrip"]["differences"]] == ["variant", "dash"]
    assert answer["roundtrip"]["totals"] == {
        "variant": {"differences": 1, "changed": 1},
        "dash": {"differences": 1, "changed": 1},
    }
    assert answer["effect"]["replacements"] == []


def test_roundtrip_takes_a_normalisation_and_compat(client: Any, playground: Playground) -> None:
    answer = client.predict(text="ｱé", normalize="nfkc", compat=True, api_name="/round_trip")
    assert answer["effect"]["text"] == "アé"
    assert answer["roundtrip"]["text"] == "アé"
    assert answer["roundtrip"]["decoded"] == playground.tokenizer_as(compat=True).decode(
        playground.tokenizer_as(compat=True).encode("アé")
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": "犬", "normalize": "nfd"}, "choose one of 'none', 'nfc', 'nfkc', 'clean'"),
        ({"text": "犬" * (SENT + 1)}, "20,001"),
        ({"text": None}, "expected a string"),
    ],
)
def test_roundtrip_refuses_what_it_cannot_answer(client: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        client.predict(**given, api_name="/round_trip")


def test_the_command_prints_the_text_and_its_losses(tiny_vocabulary: Path, capsys: Any) -> None:
    assert main(["roundtrip", "慶應—", "--model", str(tiny_vocabulary)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["慶応ー", "characters that come back changed: 2 of 3"]
    assert "    '慶應' → '慶応'" in lines


def test_the_command_normalises_first_where_asked(tiny_vocabulary: Path, capsys: Any) -> None:
    assert main(["roundtrip", "①é", "--normalize", "nfkc", "--compat", "--model", str(tiny_vocabulary)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("nfkc: changes 1 character; tokens 3 → 3; characters that come back changed 2 → 1\n")
    assert "transformers decodes each byte alone" in out


def test_the_command_prints_the_same_record_as_the_api(tiny_vocabulary: Path, capsys: Any, client: Any) -> None:
    assert main(["roundtrip", "ｱ\u3000é", "--normalize", "nfkc", "--json", "--model", str(tiny_vocabulary)]) == 0
    assert json.loads(capsys.readouterr().out) == client.predict(text="ｱ\u3000é", normalize="nfkc", api_name="/round_trip")
