"""The report as Markdown, CSV and JSON: the same numbers in each, every column with its meaning in both languages."""

import json
from typing import get_args

import pytest

from neoxjp.compare import to_csv, to_frame
from neoxjp.labs.tokenizer_report.columns import GROUPS, MEASURES, Lang, columns, tables
from neoxjp.labs.tokenizer_report.formats import format_value, to_json, to_markdown, to_records
from neoxjp.labs.tokenizer_report.records import Agreement, Domain, Report, Row

REPORT = Report(
    domains=(Domain("本|<b>", 2, 1_000, 3_000, 500), Domain("web", 1, 10, 12, 10)),
    sentences=5,
    units={"short": 40, "long": 30, "bunsetsu": 0},
    pairs=3,
    rows=(
        Row(
            "a", "A | <i>", tokens=500, vocabulary=8_000, characters_per_token={"本|<b>": 2.0, "web": 1.25},
            bytes_per_token={"本|<b>": 6.0, "web": 1.5}, parity=0.8125,
            boundaries={"short": Agreement(0.75, 0.5, 0.6), "long": Agreement(None, 0.0, 0.0)}, words_whole=0.25,
            byte_fallback=0.0123, lost=0.0, ids_unused=0.5, renyi=0.5,
            spelling={"hiragana": 1.5, "halfwidth": 3.0, "old_kanji": None},
            cuts={"old_kanji": None, "kana": 0.875}, megabytes_per_second=6.97,
        ),
        Row("b", "B", tokens=1_000, characters_per_token={"本|<b>": 1.0, "web": 1.0}),
        Row("c", "C", problem="not installed", problem_ja="ありません"),
    ),
)  # fmt: skip


def test_a_column_that_no_row_has_is_left_out() -> None:
    keys = [column.key for column in columns(REPORT)]
    assert "boundaries_short_f1" in keys
    assert "characters_per_token: web" in keys
    assert not any("bunsetsu" in key or "old_kanji" in key for key in keys)
    assert "boundaries_long_precision" not in keys


def test_every_measure_is_in_one_table_and_has_its_meaning_in_both_languages() -> None:
    grouped = [measure for _, measures in GROUPS.values() for measure in measures]
    assert sorted(grouped) == sorted(MEASURES)
    for measure in MEASURES.values():
        for ja, en in (measure.name, measure.definition, measure.weakness):
            assert ja
            assert ja != en
            assert en.isascii() or any(sign in en for sign in "α㍿é")
        assert measure.definition[0].endswith("。")
        assert measure.weakness[1].endswith(".")


@pytest.mark.parametrize("lang", get_args(Lang))
def test_markdown_has_the_numbers_their_meaning_and_what_could_not_be_measured(lang: Lang) -> None:
    text = to_markdown(REPORT, lang)
    assert "| A \\| &lt;i> | 2.000 | 1.250 | 0.812 |" in text
    assert "| B | 1.000 | 1.000 | – |" in text
    assert "| 25.00 % |" in text
    assert "本\\|&lt;b>" in text
    assert ("- C: ありません" if lang == "ja" else "- C: not installed") in text
    assert ("5（短単位 40、長単位 30）" if lang == "ja" else "5 (short units 40, long units 30)") in text
    for column in columns(REPORT):
        assert MEASURES[column.measure].weakness[lang == "en"] in text
    widths = [line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")]
    assert len(widths) > 15
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert all(len({line.replace("\\|", "").count("|") for line in block}) == 1 for block in blocks)


def test_a_csv_has_one_row_for_each_tokenizer() -> None:
    lines = to_csv(to_frame(to_records(REPORT))).decode("utf-8-sig").splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("tokenizer,key,tokens,vocabulary,characters_per_token: 本|<b>,")
    assert "boundaries_short_f1" in lines[0]
    assert lines[3].endswith(",not installed")


def test_json_has_the_records_and_what_they_mean() -> None:
    record = json.loads(json.dumps(to_json(REPORT), allow_nan=False))
    assert record["rows"][0]["boundaries"]["short"] == {"precision": 0.75, "recall": 0.5, "f1": 0.6}
    assert record["domains"][0]["utf8_bytes"] == 3_000
    assert record["measures"]["renyi"]["en"]["name"] == "Rényi efficiency"
    assert set(record["measures"]) == set(MEASURES)


def test_tables_have_all_columns_once() -> None:
    assert sorted(column.key for _, found in tables(REPORT) for column in found) == sorted(c.key for c in columns(REPORT))


def test_numbers_are_written_by_their_style() -> None:
    assert [format_value(value, "ratio") for value in (1.4756, None)] == ["1.476", "–"]
    assert format_value(0.0123, "share") == "1.23 %"
    assert format_value(6.97, "speed") == "7.0"


def test_a_share_that_is_rounded_to_zero_is_not_called_zero() -> None:
    assert [format_value(share, "share") for share in (0.0, 1e-5, 0.0123)] == ["0.00 %", "< 0.01 %", "1.23 %"]
