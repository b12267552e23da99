"""Makes kvbench importable and reads config.yaml once before Snakemake does, whose own error names neither file nor line.

Overlays too: Snakemake has read them already, but of a key written twice it takes the last in silence.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir, "scripts")))

from kvbench.errors import UserError
from kvbench.yaml_files import read_yaml

# SystemExit leaves Snakemake with this line alone; its own exceptions add a location and a trace.
try:
    for path in ("config.yaml", *workflow.config_settings.configfiles):
        read_yaml(os.path.relpath(path))
except UserError as error:
    sys.exit(str(error))
