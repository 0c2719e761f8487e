"""`python -m emotalk ...`"""

import sys

from emotalk.cli import main

sys.exit(main())
