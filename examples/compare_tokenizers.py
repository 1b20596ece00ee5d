"""What does a text file cost? Its spellings × several tokenizers: a table of tokens a character, and a CSV with every number.

python examples/compare_tokenizers.py letter.txt --tokenizer neoxjp tekken rinna qwen ./my/tokenizer.json --csv letter.csv

The names of tokenizers are those of `neoxjp compare`; `pip install 'neoxjp[peers]'` brings the packages they need.
"""

import argparse
from pathlib import Path

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.compare import to_csv, to_frame
from neoxjp.hub import bundled_path
from neoxjp.japanese import ALL_KEYS, spellings
from neoxjp.labs.spellings.records import matrix, open_columns, records

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("file", nargs="?", type=Path, help="a text file in UTF-8 (default: the beginning of 雪国)")
parser.add_argument("--tokenizer", nargs="+", default=["neoxjp", "bytes", "sudachi-a", "sudachi-c"], metavar="KEY")
parser.add_argument(
    "--model", default=str(bundled_path()), help="folder or Hub id with vocab.txt and emoji.json (default: the bundled one)"
)
parser.add_argument("--csv", type=Path, help="write the whole table to this file")
options = parser.parse_args()

text = options.file.read_text(encoding="utf-8") if options.file else "国境の長いトンネルを抜けると雪国であった。"
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(options.model)
# A reading is a guess: correct one with overrides.
rows = spellings(text, overrides={"国境": "くにざかい"}, keys=ALL_KEYS)
columns = open_columns(options.tokenizer, tokenizer)
for column in columns:  # a package, a file or a Hub repository may be missing: the others are compared all the same
    if column.problem:
        print(f"{column.title} is left out: {column.problem}")
columns = [column for column in columns if column.peer]
if not columns:
    raise SystemExit("none of these tokenizers can be had")

table = to_frame(records(matrix(rows, columns)))
table["tokens_per_character"] = (table["tokens"] / table["characters"].clip(lower=1)).round(3)
for number in ("tokens", "tokens_per_character"):
    side_by_side = table.pivot(index="spelling", columns="tokenizer", values=number)
    print(f"{number}\n{side_by_side.loc[[row.key for row in rows], [column.key for column in columns]].to_string()}\n")
if options.csv:
    options.csv.write_bytes(to_csv(table))
