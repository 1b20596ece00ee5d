"""Two texts from one model, each shown while it is written; then what the model was unsure of.

python examples/streaming.py [MODEL]
"""

import sys

from neoxjp import Engine, GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer, SamplingParams
from neoxjp.hub import bundled_path

name = sys.argv[1] if len(sys.argv) > 1 else bundled_path()
model = GPTNeoXJapaneseForCausalLM.from_pretrained(name)
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(name)
params = SamplingParams(do_sample=True, temperature=0.8, top_p=0.95, seed=7, max_new_tokens=40, stop=("。",))

with Engine(model, tokenizer, max_batch=2).start() as engine:  # the engine's own thread writes both at once
    requests = {prompt: engine.submit(tokenizer.encode(prompt), params, top=3) for prompt in ("吾輩は", "国境の長い")}
    for prompt, request in requests.items():
        steps = []
        print(prompt, end="", flush=True)
        for step in request:
            steps.append(step)
            print(step.text, end="", flush=True)
        speed = request.stats.tokens_per_second
        print(f"\n  ended by {request.finish}" + (f", {speed:.1f} tokens/s" if speed else ""))

        unsure = max(steps, key=lambda step: step.entropy or 0.0)
        for choice in unsure.top:
            drawn = "←" if choice.id == unsure.id else " "
            print(f"  {drawn} {choice.text!r}: {choice.probability:.1%} to be drawn")
