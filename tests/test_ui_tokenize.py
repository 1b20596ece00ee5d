"""Rules of the Tokens tab, without a browser: what its handlers show, what its API answers, what a public page refuses."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from neoxjp.errors import ParameterError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.ui import compare, tokenize
from neoxjp.ui.compare import Spelled
from neoxjp.ui.session import Choice, Limits, Loaded, NotReady, Playground
from neoxjp.ui.strings import words

EN, JA = words("en"), words("ja")


@pytest.fixture(scope="module")
def playground(tiny_vocabulary: Path) -> Playground:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    return Playground(loaded=Loaded(Choice(str(tiny_vocabulary)), tokenizer, serial=1))


def rows_of(text: str, **edited: str) -> Spelled:
    """The rows of a text, some of them edited afterwards."""
    spelled = Spelled()
    spelled.follow(text)
    spelled.rows |= edited  # type: ignore[arg-type]
    return spelled


def table_of(playground: Playground, text: str, second: str = "none", folder: str = "", spelled: Spelled | None = None) -> Any:
    return compare.comparison_of(playground, text, second, folder, spelled or rows_of(text), EN)[1]


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
    with pytest.raises(ParameterError, match="This text has 6 characters; up to 5 can be cut here") as caught:
        tokenize.view_of(small, "吾輩は猫であ", EN)
    assert "6 文字あります" in caught.value.ja


def test_before_the_vocabulary_is_there_the_page_says_so() -> None:
    with pytest.raises(NotReady, match="No vocabulary is loaded"):
        tokenize.view_of(Playground(), "猫", EN)


def test_the_box_of_ids_is_bounded_and_says_where_the_rest_is(playground: Playground) -> None:
    ids = tokenize.view_of(playground, "猫" * (tokenize.IDS_SHOWN + 1), EN)[2]
    assert ids.count(",") >= tokenize.IDS_SHOWN - 1
    assert ids.endswith("(the first 5,000; all of them by the API, /tokenize)")


@pytest.mark.parametrize("written", ["[{0}, {1}]", "{0} {1}", "{0},{1}", "{0}\n{1}\n", "({0}、{1})", "{0};{1}"])
def test_pasted_ids_are_read_however_they_are_separated(playground: Playground, written: str) -> None:
    ids = playground.tokenizer.encode("大学猫")
    assert tokenize.text_of_ids(playground, written.format(*ids)) == "大学猫"


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        ("12 x", "'x' is not an id"),
        ("-1", "'-1' is not an id"),
        ("1.5", "'1.5' is not an id"),
        ("９", "'９' is not an id"),
        ("999999", r"Id 999999 is not in this vocabulary \(0 to "),
        ("9999999999999999999", "is not an id"),
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


# ---------------------------------------------------------------- the comparison


def test_the_rows_come_from_the_dictionary(playground: Playground) -> None:
    spelled = rows_of("東京都に住む")
    assert spelled.rows == {
        "hiragana": "とうきょうとにすむ", "katakana": "トウキョウトニスム", "halfwidth": "ﾄｳｷｮｳﾄﾆｽﾑ", "custom": "",
    }  # fmt: skip
    table = table_of(playground, "東京都に住む", spelled=spelled)
    assert list(table["spelling"]) == ["as written", "hiragana", "katakana", "half-width"]
    assert table["tokens"].iloc[0] == len(playground.tokenizer.encode("東京都に住む"))


def test_an_edited_row_stays_when_the_text_changes() -> None:
    spelled = rows_of("日本", hiragana="にっぽん", custom="Nippon")
    assert spelled.follow("日本の犬") == ["katakana", "halfwidth"]
    assert spelled.rows["hiragana"] == "にっぽん"
    assert spelled.rows["custom"] == "Nippon"
    assert spelled.rows["katakana"] == "ニホンノイヌ"


def test_a_row_written_back_to_the_dictionarys_reading_follows_again() -> None:
    spelled = rows_of("日本", hiragana="にほん")
    spelled.follow("犬")
    assert spelled.rows["hiragana"] == "いぬ"


def test_an_emptied_row_leaves_the_table(playground: Playground) -> None:
    table = table_of(playground, "犬", spelled=rows_of("犬", halfwidth=""))
    assert list(table["spelling"]) == ["as written", "hiragana", "katakana"]


@pytest.mark.parametrize(("second", "tokens"), [("bytes", 6), ("characters", 2), ("compat", 1)])
def test_a_second_tokenizer_stands_beside_ours(playground: Playground, second: str, tokens: int) -> None:
    table = table_of(playground, "東京", second)
    written = table[table["spelling"] == "as written"]
    assert list(written["tokens"]) == [1, tokens]


def test_a_named_folder_is_a_second_tokenizer(playground: Playground, tiny_vocabulary: Path) -> None:
    table = table_of(playground, "東京", "folder", str(tiny_vocabulary))
    assert tiny_vocabulary.name in set(table["tokenizer"])


def test_a_folder_that_is_none_is_said(playground: Playground) -> None:
    with pytest.raises(Exception, match="not a folder"):
        table_of(playground, "東京", "folder", "/no/such/folder")


def test_no_folder_named_yet_compares_with_nothing(playground: Playground) -> None:
    assert set(table_of(playground, "東京", "folder", "  ")["spelling"]) == {"as written", "hiragana", "katakana", "half-width"}


def test_a_public_page_takes_no_folders(playground: Playground, tiny_vocabulary: Path) -> None:
    public = Playground(public=True, loaded=playground.loaded)
    with pytest.raises(ParameterError, match="Folders cannot be named on a public page"):
        table_of(public, "東京", "folder", str(tiny_vocabulary))
    with pytest.raises(ParameterError, match="public page"):
        compare.named_peer(public, str(tiny_vocabulary))


def test_only_the_start_of_a_long_text_is_compared_and_that_is_said(playground: Playground) -> None:
    text = "猫" * (compare.COMPARED + 1)
    html, table = compare.comparison_of(playground, text, "none", "", rows_of(text), EN)
    assert "The first 2,000 characters are compared." in html
    assert list(table["characters"]) == [2_000, 4_000, 4_000, 4_000]


def test_nothing_to_compare_is_an_empty_table(playground: Playground) -> None:
    html, table = compare.comparison_of(playground, "", "none", "", Spelled(), EN)
    assert html == ""
    assert table.empty


def test_the_csv_is_the_table_in_the_visitors_language(playground: Playground) -> None:
    csv = compare.csv_of(playground, "東京", "bytes", "", rows_of("東京"), JA)
    assert csv.startswith("\ufeff表記,トークナイザー,")
    assert csv.count("\r\n") == 1 + 4 * 2


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
    assert client.predict(text="a,b", compat=True, api_name="/tokenize")["ids"] == playground.compat().encode("a,b")


def test_detokenize_is_the_way_back(client: Any, playground: Playground) -> None:
    assert client.predict(ids=playground.tokenizer.encode("𩸽 と\n鱈"), api_name="/detokenize") == "𩸽 と\n鱈"


def test_compare_gives_a_record_for_each_spelling_and_tokenizer(client: Any) -> None:
    records = client.predict(text="東京", tokenizers=["neoxjp", "bytes"], own_spelling="Tokyo", api_name="/compare")
    assert [(record["spelling"], record["tokenizer"]) for record in records[:2]] == [("written", "neoxjp"), ("written", "bytes")]
    assert len(records) == 5 * 2
    assert records[0]["tokens"] == 1


def test_no_csv_is_saved_where_nothing_can_be_compared(client: Any, page_url: str) -> None:
    function = next(each["id"] for each in client.config["dependencies"] if each["api_name"] == "on_download")
    asked = json.dumps({"data": ["東京", "folder", "/no/such/folder", None], "fn_index": function, "session_hash": "x"}).encode()
    request = urllib.request.Request(f"{page_url}/gradio_api/run/predict", asked, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["data"] == [""]


def test_half_a_surrogate_pair_is_compared_as_a_replacement_character(page_url: str, playground: Playground) -> None:
    asked = json.dumps({"data": ["東京\ud800", ["neoxjp"], "\udfffx"]}).encode()  # Python's own client cannot send it
    request = urllib.request.Request(f"{page_url}/gradio_api/run/compare", asked, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        records = json.load(answer)["data"][0]
    assert [record["text"] for record in (records[0], records[-1])] == ["東京\ufffd", "\ufffdx"]
    html, table = compare.comparison_of(playground, "東京\ud800", "none", "", Spelled({"custom": "\udfff"}), EN)
    assert (html + table.to_json()).encode()


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("/detokenize", {"ids": [10**6]}, "Id 1000000 is not in this vocabulary"),
        ("/detokenize", {"ids": "猫"}, "expected a list of whole numbers"),
        ("/detokenize", {"ids": [1.5]}, "expected a list of whole numbers"),
        ("/tokenize", {"text": 5}, "expected a string"),
        ("/compare", {"text": "犬", "tokenizers": ["/no/such/folder"]}, "not a folder"),
        ("/compare", {"text": "犬", "tokenizers": "bytes"}, "expected a list of names"),
        ("/compare", {"text": "犬", "tokenizers": ["bytes"] * 9}, "9 tokenizers: compare 8 at a time"),
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
    assert names["/compare"] == ["text", "tokenizers", "own_spelling"]
    assert all(described[name]["description"] for name in names)


def test_lone_surrogates_come_back_as_replacement_characters(playground: Playground) -> None:
    from neoxjp.ui.answers import plain

    assert plain({"text": "a\ud800", "list": ["\udfff"]}) == {"text": "a\ufffd", "list": ["\ufffd"]}
