"""A process to be kept: notes what it was told, says something, and dies or waits."""

import os
import sys
import time
from pathlib import Path

from service.processes.handover import Handover

told = Handover.model_validate_json(sys.argv[-1])
notes = Path(told.engine)
lives = len(list(notes.iterdir()))
draft = notes.with_suffix(f".{lives}")
draft.write_text(told.model_dump_json())
draft.rename(notes / str(lives))  # whole as soon as it is there
if lives == 0:
    sys.stderr.write("first words\nof the end")
    sys.exit(3)
if lives == 1:
    os.write(told.heartbeat, b".")  # and never again
time.sleep(60)
