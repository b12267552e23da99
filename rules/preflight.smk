"""Makes kvbench importable, terminal lines short, and reads the configuration, for errors that name file and line.

config.yaml of the working directory, or where there is none ours; over it the files of --configfile, then --config.
There is no `configfile:`, whose merge knows neither kinds of entries nor null (kvbench.config.overlays).
"""

import logging
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir, "scripts")))

from kvbench.errors import UserError
from kvbench.preflight.interpreter import startable
from kvbench.config.overlays import read_layers
from kvbench.preflight.terminal import shorten, tell_found

# A line a job on the terminal, where the profile asks for no reasons; --quiet host and --verbose show everything.
STARTED = time.time()
FOUND = "results/found.txt"
shown = workflow.output_settings
QUIET = {kind.name for kind in shown.quiet or ()}
if workflow.is_main_process and "REASON" in QUIET and not shown.verbose:
    shorten(
        logging.getLogger("snakemake.logging"),
        lambda: tell_found("" if workflow.dag_settings.targets else FOUND),
        dry=shown.dryrun,
    )

given = workflow.config_settings
base = next(
    filter(os.path.exists, ["config.yaml"]), Path(workflow.basedir, "config.yaml")
)
if given.replace_workflow_config:
    base = None

# SystemExit leaves Snakemake with this line alone; its own exceptions add a location and a trace.
try:
    sys.executable = startable(sys.executable)
    layers = read_layers(
        base,
        given.configfiles,
        given.config_args or (),
    )
except UserError as error:
    sys.exit(str(error))

config.clear()
config.update(layers.config)
if base is not None:  # for Snakemake's own report and archive
    workflow.configfiles.insert(0, base)


onsuccess:
    if "ALL" not in QUIET and (told := tell_found(FOUND, since=STARTED)):
        print(told, file=sys.stderr)
