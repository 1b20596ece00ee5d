"""`python -m neoxjp` is the command `neoxjp`."""

from neoxjp.cli.main import leave, main

leave(main())
