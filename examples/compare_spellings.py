"""Count the tokens of one text in kanji, kana and rōmaji with several tokenizers, and write the table to a CSV file.

python examples/compare_spellings.py 東京都に住む --csv spellings.csv
"""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.cli import run
from neoxjp.compare import builtin_peers, compare, to_csv, to_frame
from neoxjp.japanese import spellings
from neoxjp.labs.common.output import check_output, write_file


def main(
    text: Annotated[str, Argument()] = "国境の長いトンネルを抜けると雪国であった。",
    name: Annotated[str, Option("--model", help="bundled, or a folder or Hub id with vocab.txt and emoji.json.")] = "bundled",
    csv: Annotated[Path | None, Option(metavar="FILE", help="Write the whole table.")] = None,
) -> None:
    """Count the tokens of a text in each of its spellings."""
    if csv:
        check_output(csv)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(name)
    # Readings are guesses: overrides corrects them.
    records = compare(spellings(text, overrides={"国境": "くにざかい"}), builtin_peers(tokenizer))

    for record in records:
        if record.tokenizer == "neoxjp":
            print(f"{record.spelling:10} {record.counts.tokens:4} tokens  {'│'.join(piece.text for piece in record.pieces)}")
    table = to_frame(records)
    counts = table.pivot(index="spelling", columns="tokenizer", values="tokens")
    print("\n" + counts.loc[table["spelling"].unique(), table["tokenizer"].unique()].to_string())
    if csv:
        write_file(csv, to_csv(table))


run(main)
