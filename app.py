"""Open the page: `python app.py --help` lists the options. The same as `neoxjp app`; a Space starts this file."""

import sys

from neoxjp.cli.main import leave, main

if __name__ == "__main__":
    leave(main(["app", *sys.argv[1:]]))
