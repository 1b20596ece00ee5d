"""`python -m neoxjp …` runs the command line `neoxjp …`."""

from neoxjp.cli.main import leave, main

leave(main())
