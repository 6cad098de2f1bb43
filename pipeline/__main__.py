"""``python -m pipeline COMMAND`` is ``sweetspot COMMAND``."""

import sys

from pipeline.commands.cli import main

sys.exit(main())
