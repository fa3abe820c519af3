"""The archive of received instances: files first, any index later."""

from node.archive.errors import ArchiveError, NotWritable, OutOfSpace, Unfileable
from node.archive.filemeta import FileMeta
from node.archive.receipt import Blank, Receipt
from node.archive.store import Archive
from node.archive.stored import StoredFile, is_uid

__all__ = [
    "Archive",
    "ArchiveError",
    "Blank",
    "FileMeta",
    "NotWritable",
    "OutOfSpace",
    "Receipt",
    "StoredFile",
    "Unfileable",
    "is_uid",
]
