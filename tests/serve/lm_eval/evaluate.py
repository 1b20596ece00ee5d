"""Runs lm-evaluation-harness, in its own environment: evaluate.py URL → JSON. It reads the tasks of the current folder.

For each batch size and number of requests at the same time: the samples of each task, with what was asked and answered.
Also which large libraries were loaded.
"""

import json
import sys

from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

TASKS = ["neoxjp_pairs", "neoxjp_choices", "neoxjp_texts", "neoxjp_continue"]


def run(url: str, batch_size: int, num_concurrent: int) -> dict:
    model = {"base_url": f"{url}/v1/completions", "model": "bundled", "tokenizer_backend": "remote", "max_length": 512}
    found = simple_evaluate(
        model="local-completions",
        model_args=model | {"num_concurrent": num_concurrent},
        tasks=TASKS,
        task_manager=TaskManager(include_path=".", include_defaults=False),
        batch_size=batch_size,
        bootstrap_iters=0,
    )
    samples = {
        task: [{"doc": sample["doc"], "asked": sample["arguments"], "answers": sample["resps"]} for sample in samples]
        for task, samples in found["samples"].items()
    }
    return {"batch_size": batch_size, "num_concurrent": num_concurrent, "results": found["results"], "samples": samples}


if __name__ == "__main__":
    runs = [run(sys.argv[1], batch_size, number) for batch_size, number in ((1, 1), (4, 1), (1, 3), (4, 3))]
    print(json.dumps({"runs": runs, "loaded": sorted({"torch", "transformers", "tensorflow"} & set(sys.modules))}))
