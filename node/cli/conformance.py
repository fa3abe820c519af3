"""`conformance`: the DICOM Conformance Statement of this node."""

from __future__ import annotations

import typer

from node.cli.options import ConfigOption, settings_of


def conformance(config: ConfigOption = None) -> None:
    """Print the DICOM Conformance Statement (PS3.2) of this node with its configuration, as Markdown."""
    from node.conformance import conformance_markdown

    typer.echo(conformance_markdown(settings_of(config)), nl=False)
