"""The outbox: results on their way to DICOM peers, to servers, and to folders."""

from node.outbox.courier import Courier
from node.outbox.errors import DeliveryError, FolderUnwritable, ResultMissing, SecretMissing
from node.outbox.hours import opens_at
from node.outbox.outbox import Outbox, run_outbox
from node.outbox.senders import (
    DimseSender,
    FolderSender,
    Sender,
    Sent,
    WebSender,
    dimse_peer,
    login_of,
    sender_for,
    web_server,
)

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
    "login_of",
    "opens_at",
    "run_outbox",
    "sender_for",
    "web_server",
]
