"""`python -m node.cli` is the command `echocare-node`."""

from node.cli import app

if __name__ == "__main__":
    app(prog_name="echocare-node")
