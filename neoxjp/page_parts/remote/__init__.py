"""A page whose model is in another process: `neoxjp app --engine URL` uses `neoxjp serve --internal`.

    Watch(playground, "http://127.0.0.1:8000", key).start()

What needs the model in the page is generation (an engine) or a function of `calls.CALLS`; all of these take and give plain
records (records.py). `client` sends them, `engine` and `model` stand for the engine and the model of the other process, and
`watch` notices when it goes, comes back, or has another model. The other end is neoxjp/serve/internal.py.
"""
