"""`python -m neoxjp` is the command `neoxjp`."""

import sys

from neoxjp.cli.main import main

sys.exit(main())
