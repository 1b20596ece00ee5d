"""Call a running page from a program: tokenize, stream a text, compute the bits of two sentences. Needs only gradio_client.

python app.py                                     # in one terminal
python examples/api_client.py                     # in another; or: api_client.py https://user-space.hf.space
"""

import sys

from gradio_client import Client

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860"
try:
    client = Client(url, verbose=False)
except Exception as error:  # of several HTTP packages
    print(f"api_client.py: no page answers at {url}: {error}", file=sys.stderr)
    sys.exit(2)

model = client.predict(api_name="/model_info")["model"]
print(f"{model['name']}: {model['parameters']:,} parameters, {model['dtype']}, attention {model['attention']['kernel']}")

shown = ""
for answer in client.submit(prompt="吾輩は猫である。", max_new_tokens=40, seed=7, top=3, api_name="/generate"):
    print(answer["text"][len(shown) :], end="", flush=True)
    shown = answer["text"]
first = answer["tokens"][0]
others = ", ".join(f"{choice['text']!r} {choice['probability']:.1%}" for choice in first["top"])
print(f"\n{answer['stats']['tokens']} tokens; the first is {first['text']!r}; candidates: {others}")

for text in ("猫が好きです。", "猫を好きです。"):
    score = client.predict(text=text, api_name="/score")
    print(f"{text}  {score['bits']:.1f} bits, {score['bits_per_character']:.2f} per character")
