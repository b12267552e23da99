"""Makes kvbench importable and reads the configuration, for errors that name file and line.

config.yaml of the working directory, or where there is none ours; over it the files of --configfile, then --config.
There is no `configfile:`, whose merge knows neither kinds of entries nor null (kvbench.overlays).
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir, "scripts")))

from kvbench.errors import UserError
from kvbench.overlays import read_layers

given = workflow.config_settings
base = next(
    filter(os.path.exists, ["config.yaml"]), Path(workflow.basedir, "config.yaml")
)

# SystemExit leaves Snakemake with this line alone; its own exceptions add a location and a trace.
try:
    layers = read_layers(
        None if given.replace_workflow_config else base,
        given.configfiles,
        given.config_args or (),
    )
except UserError as error:
    sys.exit(str(error))

config.clear()
config.update(layers.config)
workflow.configfiles.insert(0, base)  # for Snakemake's own report and archive
