"""`python -m neoxjp` is the command `neoxjp`."""

import sys

from neoxjp.cli import main

sys.exit(main())
