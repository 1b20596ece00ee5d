"""Rules of the section, without a browser: a text is measured, drawn in both languages, refused in a sentence."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from neoxjp.errors import ParameterError
from neoxjp.labs.tokenizer_report import section
from neoxjp.labs.tokenizer_report.columns import MEASURES
from neoxjp.labs.tokenizer_report.endpoints import endpoints
from neoxjp.labs.tokenizer_report.records import Report
from neoxjp.labs.tokenizer_report.section import checked_keys, measure_text
from neoxjp.labs.tokenizer_report.strings import strings
from neoxjp.labs.tokenizer_report.view import report_html
from neoxjp.page_parts.session.playground import Choice, Loaded, Playground
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

EN, JA = strings.words("en"), strings.words("ja")
KEYS = ["neoxjp", "compat", "characters", "bytes"]
HOSTILE = "<script>x</script>\u202e慶應の大学、猫。\n"


@pytest.fixture(scope="module")
def playground(tiny_vocabulary: Path) -> Playground:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    return Playground(loaded=Loaded(Choice(str(tiny_vocabulary)), tokenizer))


def measured(playground: Playground, text: str, keys: list[str], t: Any = EN) -> tuple[list[str], Report]:
    *steps, last = measure_text(playground, text, keys, t)
    assert isinstance(last, Report)
    return [str(step) for step in steps], last


def test_a_text_is_measured_with_its_progress(playground: Playground) -> None:
    steps, found = measured(playground, HOSTILE * 3, KEYS)
    assert "opening neoxjp" in steps[0]
    shares = [float(share) for step in steps for share in re.findall(r' value="([\d.]+)"', step)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert [row.key for row in found.rows] == KEYS
    assert found.domains[0].characters == 3 * len(HOSTILE)


def test_offline_nothing_is_asked_of_the_hub(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def open_offered(key: str, local_files_only: bool) -> Any:
        asked.append(local_files_only)
        raise ParameterError("not cached")

    monkeypatch.setattr("neoxjp.compare.hub.open_offered", open_offered)
    assert playground.loaded is not None
    offline = Playground(loaded=replace(playground.loaded, choice=replace(playground.loaded.choice, offline=True)))
    for page in (offline, playground):
        measured(page, "猫", ["rinna"])
    assert asked == [True, False]


def test_only_the_beginning_of_a_long_text_is_measured(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "LONGEST", 10)
    assert measured(playground, HOSTILE, ["characters"])[1].domains[0].characters == 10


@pytest.mark.parametrize("t", [EN, JA])
def test_the_tables_are_escaped_and_say_what_their_columns_mean(playground: Playground, t: Any) -> None:
    _, found = measured(playground, HOSTILE, KEYS)
    html = report_html(found, t)
    assert "<script" not in html
    assert t("tokenizer_bytes") in html
    assert t("tokenizer_compat") in html
    assert ("このテキスト" if t is JA else "this text") in html
    measure = MEASURES["renyi"]
    assert escape(measure.definition[t is EN]) in html
    assert escape(measure.weakness[t is EN]) in html
    assert html.count("<table") == html.count("</table>") == 4
    widths = [float(width) for width in re.findall(r'<i style="width:([\d.]+)%">', html)]
    assert max(widths) == 100


def test_a_tokenizer_that_cannot_be_opened_is_a_notice_and_the_others_have_rows(playground: Playground) -> None:
    public = Playground(public=True, loaded=playground.loaded)
    _, found = measured(public, HOSTILE, ["/etc/passwd", "characters"])
    html = report_html(found, JA)
    assert "passwd: &#39;/etc/passwd&#39; というトークナイザーはありません" in html
    assert "1 文字ずつ" in html


@pytest.mark.parametrize(
    ("text", "keys", "message", "ja"),
    [
        ("", KEYS, "Type or paste a text above first", "先に上の欄に"),
        ("猫", [], "Choose at least one tokenizer", "1 つ以上"),
        ("猫", list("abcdefghijklm"), "13 tokenizers are chosen: measure at most 12", "12 個まで"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(
    playground: Playground, text: str, keys: list[str], message: str, ja: str
) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        list(measure_text(playground, text, keys, EN))
    assert ja in caught.value.ja


def test_a_key_twice_is_one_row() -> None:
    assert checked_keys(["bytes", "neoxjp", "bytes"]) == ["bytes", "neoxjp"]


def test_the_endpoint_gives_the_records_and_their_meaning(playground: Playground) -> None:
    (made,) = endpoints(playground)
    record = made.function("猫と犬", ["characters"])
    assert record["rows"][0]["tokens"] == 3
    assert record["measures"]["lost"]["ja"]["name"] == "元に戻らない文字"
    with pytest.raises(ParameterError, match="expected a list of keys"):
        made.function("猫", "bytes")
