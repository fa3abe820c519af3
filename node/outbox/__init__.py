"""The outbox: results on their way to DICOM peers and folders."""

from node.outbox.courier import Courier
from node.outbox.errors import DeliveryError, FolderUnwritable, ResultMissing, SecretMissing
from node.outbox.outbox import Outbox, run_outbox
from node.outbox.senders import DimseSender, FolderSender, Sender, Sent, WebSender, dimse_peer, sender_for

__all__ = [
    "Courier",
    "DeliveryError",
    "DimseSender",
    "FolderSender",
    "FolderUnwritable",
    "Outbox",
    "ResultMissing",
    "SecretMissing",
    "Sender",
    "Sent",
    "WebSender",
    "dimse_peer",
    "run_outbox",
    "sender_for",
]
