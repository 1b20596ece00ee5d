"""`neoxjp bench repetition`: does a model repeat itself at these settings? Samples, and how often each repeats itself.

A sample is repetitive if its last half has one run of ten ids more than twice. Greedy decoding of a small model
is; the page's settings should not be.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neoxjp.bench import common
from neoxjp.bench.common import Report, Row
from neoxjp.bench.options import RepetitionOptions
from neoxjp.engine import Engine
from neoxjp.errors import ParameterError
from neoxjp.labs.common.measures import RUN, distinct, repeats
from neoxjp.model import GPTNeoXJapaneseForCausalLM, load_model
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

MAX_REPEATS = 2  # times in the last half of a sample
PROMPTS = (
    "むかし、山のふもとの小さな村に、",
    "その晩は雨が降っていた。私は",
    "彼は黙って立ち上ると、",
    "「どうしてそんなことを云うのです。」と",
    "「先生、これは何ですか。」\n「それは",
    "春になると、",
    "東京の町は",
    "この関数は、引数として",
    "コンポーネントの state を更新するには、",
    "次の例では、",
)


@dataclass(frozen=True)
class Sample:
    """One continuation."""

    prompt: str
    text: str
    ids: tuple[int, ...]

    @property
    def repeats(self) -> int:
        """How often the most frequent run of ten ids comes in the last half; 0 where that is shorter than one."""
        return repeats(self.ids[len(self.ids) // 2 :])


def command(options: RepetitionOptions, settings: dict[str, Any]) -> None:
    """Measure and print; `settings`: the sampling options but for the seed and the length."""
    if options.samples < 1:
        raise ParameterError(f"samples={options.samples!r} must be at least 1 a prompt")
    name = options.model
    prompts = read_prompts(options.prompts) if options.prompts else PROMPTS
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(name)
    model, _ = load_model(name, dtype=options.dtype)
    samples = generate_samples(model, tokenizer, prompts, options.samples, options.max_new_tokens, options.seed, settings)
    facts = {"prompts": len(prompts), "samples": len(samples), "new": options.max_new_tokens, "first seed": options.seed}
    facts |= {name: value for name, value in settings.items() if value not in (None, ())}
    report = Report(f"bench repetition: {name}", facts)
    circles = [sample for sample in samples if sample.repeats > MAX_REPEATS]
    what = f"a run of {RUN} ids more than {MAX_REPEATS} times in the last half"
    report.rows.append(Row("samples", what, "", (float(len(circles)),)))
    report.rows.append(Row("samples", f"most frequent run of {RUN} ids", "times", tuple(float(s.repeats) for s in samples)))
    report.rows.append(Row("samples", "distinct-2", "", tuple(distinct(s.ids) for s in samples)))
    report.notes.append("min, median and max are over the samples")
    if options.json:
        shown = [{"prompt": s.prompt, "text": s.text, "repeats": s.repeats, "distinct-2": distinct(s.ids)} for s in samples]
        print(json.dumps(report.as_dict() | {"samples": shown}, ensure_ascii=False))
        return
    for sample in samples if options.show else circles:
        print(f"[{sample.repeats} ×] {sample.prompt}│{sample.text}\n")
    report.show(False)


def generate_samples(
    model: GPTNeoXJapaneseForCausalLM,
    tokenizer: GPTNeoXJapaneseTokenizer,
    prompts: Sequence[str],
    samples: int,
    new: int,
    seed: int,
    settings: dict[str, Any],
) -> list[Sample]:
    """`samples` continuations of each prompt, `new` ids each, with the seeds `seed`, `seed` + 1, … through all of them."""
    found = []
    with Engine(model, tokenizer, max_batch=8, max_waiting=len(prompts) * samples) as engine:
        asked = []
        for number, prompt in enumerate(prompt for prompt in prompts for _ in range(samples)):
            # All samples have the same length: a text that ends early could not repeat itself.
            params = SamplingParams(
                do_sample=True,
                seed=seed + number,
                max_new_tokens=new,
                eos_token_id=(),
                **settings,
            )
            asked.append((prompt, engine.submit(tokenizer.encode(prompt), params)))
        for number, (prompt, request) in enumerate(asked):
            common.show_status(f"sample {number + 1} of {len(asked)}")
            ids = tuple(step.id for step in request)
            found.append(Sample(prompt, tokenizer.decode(ids), ids))
    common.show_status("")
    return found


def read_prompts(path: Path) -> list[str]:
    """One a line; \\n in a line is a line end. Raises ParameterError where the file cannot be read or has none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"prompts={str(path)!r} cannot be read ({error}): give a UTF-8 text, one prompt a line") from error
    found = [line.replace("\\n", "\n") for line in lines if line.strip()]
    if not found:
        raise ParameterError(f"prompts={str(path)!r} has no prompt: write one a line")
    return found
