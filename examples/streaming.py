"""Generate two texts at once with one model, print each as it grows, then show the step at which the model was least certain.

python examples/streaming.py --model bundled
"""

from typing import Annotated

from typer import Option

from neoxjp import Engine, GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer, SamplingParams
from neoxjp.cli import run


def main(name: Annotated[str, Option("--model", help="bundled, a folder or a Hub id.")] = "bundled") -> None:
    """Generate two texts at once and stream them."""
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(name)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(name)
    params = SamplingParams(do_sample=True, temperature=0.8, top_p=0.95, seed=7, max_new_tokens=40, stop=("。",))

    with Engine(model, tokenizer, max_batch=2).start() as engine:  # a thread of the engine generates both in one batch
        requests = {prompt: engine.submit(tokenizer.encode(prompt), params, top=3) for prompt in ("吾輩は", "国境の長い")}
        for prompt, request in requests.items():
            print(prompt, end="", flush=True)
            steps = []
            for step in request:
                steps.append(step)
                print(step.text, end="", flush=True)
            speed = request.stats.tokens_per_second
            print(f"\n  finished: {request.finish}" + (f", {speed:.1f} tokens/s" if speed else ""))

            uncertain = max(steps, key=lambda step: step.entropy or 0.0)
            for choice in uncertain.top:
                print(f"  {'←' if choice.id == uncertain.id else ' '} {choice.text!r}: {choice.probability:.1%}")


run(main)
