"""``python -m odflow`` is the ``odflow`` command."""

import sys

from odflow.cli import main

sys.exit(main())
