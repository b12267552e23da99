"""Makes kvbench importable, shortens the terminal output and reads the configuration; errors name file and line.

Reads config.yaml of the working directory, or else ours; over it the files of --configfile, then --config.
The directive `configfile:` is not used, because its merge handles neither kinds of entries nor null
(kvbench.config.overlays).
"""

import logging
import os
import sys
from pathlib import Path

# The project, whether Snakemake was given its Snakefile or that of workflow/.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
sys.path.insert(0, str(ROOT / "scripts"))

from kvbench.errors import UserError
from kvbench.lifetime import caller, scratch
from kvbench.preflight.cluster_jobs import refuse_running
from kvbench.preflight.interpreter import startable
from kvbench.config.overlays import read_layers
from kvbench.preflight.engines import require_engines
from kvbench.preflight.job_steps import stop_without_waiting
from kvbench.preflight.stopping import Stopping
from kvbench.preflight.terminal import shorten, stamp, tell_found, with_pages
from kvbench.preflight.time_left import TimeLeft
from kvbench.preflight.writable import require_writable

caller.announce()
scratch.claim(workflow.snakemake_tmp_dir)
stopping = Stopping()
if workflow.is_main_process:
    stopping.install()
    # On a full disk each line of Snakemake's log file would print a traceback.
    logging.raiseExceptions = False
    # Ctrl-C is for Snakemake, which ends its jobs. Before a job takes signals itself it would print a traceback.
    shell.prefix("trap '' INT; ")
else:
    stop_without_waiting()

# One line per job on the terminal if the profile hides reasons; --quiet host and --verbose show everything. The time
# left is for a person who watches jobs of this machine: a file or a cluster has plain lines.
FOUND = "results/found.txt"
BEFORE = stamp(FOUND)


def told_at_the_end(before=None):
    """What was found, unless it is as old as `before`, and where the pages are that show it."""
    pages = {"Report": "results/report.html"}
    if config["capacity"]:
        pages["plan"] = "results/capacity.html"
    return with_pages(tell_found(FOUND, before), pages, ROOT)


shown = workflow.output_settings
QUIET = {kind.name for kind in shown.quiet or ()}
if workflow.is_main_process and "REASON" in QUIET and not shown.verbose:
    shorten(
        logging.getLogger("snakemake.logging"),
        lambda: "" if workflow.dag_settings.targets else told_at_the_end(),
        dry=shown.dryrun,
        stopping=stopping,
        left=(
            TimeLeft(
                Path("logs"),
                lambda: {r.name for r in workflow.rules if "measure" in r.resources},
                lambda: 0 if workflow.non_local_exec else workflow.cores,
            )
            if sys.stderr.isatty()
            else None
        ),
    )

given = workflow.config_settings
base = next(filter(os.path.exists, ["config.yaml"]), ROOT / "config.yaml")
if given.replace_workflow_config:
    base = None

# With SystemExit Snakemake prints only this line; other exceptions add a location and a traceback.
try:
    sys.executable = startable(sys.executable)
    if workflow.is_main_process and not shown.dryrun:
        require_writable([".snakemake/log/file"])
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


onstart:
    jobs = list(workflow.dag.needrun_jobs())
    try:
        if workflow.is_main_process:
            stopping.install()
            refuse_running(Path.cwd())
            scratch.sweep()
            caller.remove_copies(Path.cwd())
            require_writable(
                file for job in jobs for file in (*job.output, *job.log)
            )
        # Jobs of `--sdm` bring their own packages.
        if not workflow.deployment_settings.deployment_method:
            require_engines(job.rule.name for job in jobs)
    except UserError as error:
        sys.exit(str(error))


onsuccess:
    if "ALL" not in QUIET and (told := told_at_the_end(BEFORE)):
        print(told, file=sys.stderr)
