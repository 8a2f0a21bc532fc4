"""Makes the rows that the tests of sections share importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
