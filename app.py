"""Start the playground: parse options, load, build, launch. `python app.py --help` lists the options."""

import argparse
import os

from neoxjp.hub import bundled_path
from neoxjp.page_parts.session import Choice, Playground
from neoxjp.ui.page import build, launch


def options() -> argparse.Namespace:
    """The command line; its defaults come from the environment, so that a Space needs none."""
    env = os.environ.get
    parser = argparse.ArgumentParser(description="A playground for GPT-NeoX-Japanese, on http://127.0.0.1:7860.")
    parser.add_argument("--model", default=env("NEOXJP_MODEL"), help="model folder or Hub id (default: the bundled model)")
    parser.add_argument("--revision", default=env("NEOXJP_REVISION"), help="Hub revision: branch, tag or sha")
    parser.add_argument("--dtype", default=env("NEOXJP_DTYPE", "auto"), help="auto, float32, bfloat16 or float16")
    parser.add_argument("--quantization", default=env("NEOXJP_QUANTIZATION"), help="int8: a byte a weight (default: none)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument("--offline", action="store_true", help="ask nothing of the Hub")
    parser.add_argument("--host", help="address to listen on (default: this machine only; 0.0.0.0: every network)")
    parser.add_argument("--server-port", type=int, help="port (default: the first free one from 7860)")
    parser.add_argument("--share", action="store_true", help="open a public gradio.live tunnel; implies --public")
    parser.add_argument("--public", action="store_true", help="visitors cannot load models or name paths, and are bounded")
    return parser.parse_args()


if __name__ == "__main__":
    asked = options()
    playground = Playground.create(public=asked.public or asked.share or bool(os.environ.get("SPACE_ID")))
    name = asked.model or str(bundled_path())
    quantization = asked.quantization or None
    playground.start(Choice(name, asked.revision or None, asked.dtype, asked.device, asked.offline, quantization))
    launch(build(playground), host=asked.host, port=asked.server_port, share=asked.share)
