"""Count the tokens of a text file in all its spellings with several tokenizers: per character, and every number as CSV.

python examples/compare_tokenizers.py letter.txt --tokenizer neoxjp gpt-4o tekken rinna ./my/tokenizer.json --csv letter.csv

`neoxjp compare --help` lists the names of tokenizers; `pip install 'neoxjp[peers]'` installs the packages that they need.
"""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.cli import run
from neoxjp.compare import to_csv, to_frame
from neoxjp.documents import read_documents
from neoxjp.japanese import ALL_KEYS, spellings
from neoxjp.labs.common.output import check_output, write_file
from neoxjp.labs.spellings.records import matrix, open_columns, records

DEFAULT = ("neoxjp", "bytes", "sudachi-a", "sudachi-c")


def main(
    file: Annotated[Path | None, Argument(help="A .txt file.", show_default="the first sentence of 雪国")] = None,
    tokenizers: Annotated[list[str] | None, Option("--tokenizer", metavar="KEY...", show_default=" ".join(DEFAULT))] = None,
    name: Annotated[str, Option("--model", help="bundled, or a folder or Hub id with vocab.txt and emoji.json.")] = "bundled",
    csv: Annotated[Path | None, Option(metavar="FILE", help="Write the whole table.")] = None,
) -> None:
    """Count the tokens of a text file in all its spellings with several tokenizers."""
    if csv:
        check_output(csv)
    text = "".join(part.text for part in read_documents(file)) if file else "国境の長いトンネルを抜けると雪国であった。"
    # Readings are guesses: overrides corrects them.
    rows = spellings(text, overrides={"国境": "くにざかい"}, keys=ALL_KEYS)
    columns = open_columns(tokenizers or DEFAULT, GPTNeoXJapaneseTokenizer.from_pretrained(name))
    problems = [column.problem for column in columns if column.problem]  # a missing package or file
    if len(problems) == len(columns):
        raise problems[0]
    for problem in problems:
        print(problem, file=sys.stderr)

    columns = [column for column in columns if column.peer]
    table = to_frame(records(matrix(rows, columns)))
    table["tokens_per_character"] = (table["tokens"] / table["characters"].clip(lower=1)).round(3)
    for number in ("tokens", "tokens_per_character"):
        numbers = table.pivot(index="spelling", columns="tokenizer", values=number)
        print(f"{number}\n{numbers.loc[[row.key for row in rows], [column.key for column in columns]].to_string()}\n")
    if csv:
        write_file(csv, to_csv(table))


run(main)
