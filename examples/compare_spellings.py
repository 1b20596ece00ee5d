"""What does a text cost in kana? One text in its spellings, cut by several tokenizers; the table also goes to a CSV file.

python examples/compare_spellings.py "東京都に住む" --csv spellings.csv
python examples/compare_spellings.py --model abeja/gpt-neox-japanese-2.7b
"""

import argparse
from pathlib import Path

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.compare import builtin_peers, compare, to_csv, to_frame
from neoxjp.hub import bundled_path
from neoxjp.japanese import spellings

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("text", nargs="?", default="国境の長いトンネルを抜けると雪国であった。")
parser.add_argument(
    "--model", default=str(bundled_path()), help="folder or Hub id with vocab.txt and emoji.json (default: the bundled one)"
)
parser.add_argument("--csv", type=Path, help="write the whole table to this file")
options = parser.parse_args()

tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(options.model)
# A reading is a guess: correct one with overrides, {"国境": "くにざかい"}.
records = compare(spellings(options.text, overrides={"国境": "くにざかい"}), builtin_peers(tokenizer))

for record in records:
    if record.tokenizer == "neoxjp":
        print(f"{record.spelling:10} {record.counts.tokens:4} tokens  {'│'.join(piece.text for piece in record.pieces)}")
print()
table = to_frame(records)
side_by_side = table.pivot(index="spelling", columns="tokenizer", values="tokens")
print(side_by_side.loc[table["spelling"].unique(), table["tokenizer"].unique()].to_string())
if options.csv:
    options.csv.write_bytes(to_csv(table))
