"""The command `echocare-node`: one module for each group of commands.

What a command needs is imported when it runs, so that light commands start fast.
"""

from node.cli.app import app

__all__ = ["app"]
