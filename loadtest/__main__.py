"""`servery loadtest`, also `python -m loadtest`."""

from loadtest.commands import cli

if __name__ == "__main__":
    cli(prog_name="python -m loadtest")
