"""Write the reference of all configuration keys to standard output."""

import sys

from node.config.reference import configuration_markdown

sys.stdout.write(configuration_markdown())
