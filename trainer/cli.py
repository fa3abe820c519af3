"""`echocare-train`: learn a task, and measure it."""

from __future__ import annotations

import logging
import sys

import typer

from trainer.commands_adapt import adapt
from trainer.commands_data import cohort, shards
from trainer.commands_evaluate import evaluate
from trainer.commands_joint import joint, joint_package
from trainer.commands_pretrain import pretrain
from trainer.commands_promote import site

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Learn task packages and measure them.")

app.command()(pretrain)
app.command()(joint)
app.command()(joint_package)
app.command()(shards)
app.command()(cohort)
app.command()(adapt)
app.command()(evaluate)
app.add_typer(site, name="site")


@app.callback()
def main() -> None:
    """Learn task packages and measure them."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
