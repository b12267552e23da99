"""Check the files that a call of Snakemake names, before Snakemake does: `make run` gives its own arguments."""

import sys

from kvbench.errors import UserError
from kvbench.preflight.given_files import check_given_files
from kvbench.preflight.writable import require_writable

if __name__ == "__main__":
    try:
        check_given_files(sys.argv[1:])
        require_writable([".snakemake/log/file"])
    except UserError as error:
        sys.exit(str(error))
