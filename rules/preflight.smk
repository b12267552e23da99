"""Makes kvbench importable and reads config.yaml once before Snakemake does, whose own error names neither file nor line."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir, "scripts")))

from kvbench.errors import UserError
from kvbench.yaml_files import read_yaml

# SystemExit leaves Snakemake with this line alone; its own exceptions add a location and a trace.
try:
    read_yaml("config.yaml")
except UserError as error:
    sys.exit(str(error))
