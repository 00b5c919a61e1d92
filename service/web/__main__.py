"""Starts an HTTP process. Run by the supervisor, not by hand."""

import gc

gc.disable()  # imports leave next to no garbage, and to look for it takes 0.1 s

from service.web.process import main  # noqa: E402

main()
