"""Errors of talking DICOM to a peer.

::

    DimseError
    ├── PeerUnreachable        no connection: name, network, port, TLS
    ├── AssociationRejected    the peer does not want this association
    ├── AssociationAborted     the peer or the network ended it before its time
    ├── PeerTimeout            no answer in time
    ├── ProtocolError          the peer said something that DICOM does not have
    ├── ContextRefused         the peer takes no presentation context for this object
    ├── StoreRefused           C-STORE answered with a failure status
    ├── Unsendable             the file cannot be sent at all
    ├── DoesNotFit             an SR document holds more than a simpler SOP class can
    ├── OperationRefused       a normalised operation answered with a failure status
    └── InvalidRequest         a peer's request lacks what its service needs
"""

from __future__ import annotations

from typing import ClassVar


class DimseError(Exception):
    """Root of the errors of a conversation with a peer."""

    code: ClassVar[str] = "dimse"
    retryable: bool = True


class PeerUnreachable(DimseError):
    """No connection to the peer."""

    code: ClassVar[str] = "dimse.unreachable"


class AssociationRejected(DimseError):
    """The peer answered A-ASSOCIATE-RJ; what it rejects today an administrator may allow tomorrow."""

    code: ClassVar[str] = "dimse.rejected"


class AssociationAborted(DimseError):
    """The association ended before its time."""

    code: ClassVar[str] = "dimse.aborted"


class PeerTimeout(DimseError):
    """The peer did not answer in time."""

    code: ClassVar[str] = "dimse.timeout"


class ProtocolError(DimseError):
    """The peer sent what PS3.7 or PS3.8 does not allow."""

    code: ClassVar[str] = "dimse.protocol"


class ContextRefused(DimseError):
    """The peer accepted no presentation context for the object's SOP class and transfer syntax."""

    code: ClassVar[str] = "dimse.context-refused"


class StoreRefused(DimseError):
    """C-STORE ended in a failure status.

    Whether sending the same object again can help depends on the status: `retryable` says so.
    """

    code: ClassVar[str] = "dimse.store-refused"

    def __init__(self, words: str, *, status: int, retryable: bool) -> None:
        super().__init__(words)
        self.status = status
        self.retryable = retryable


class Unsendable(DimseError):
    """The file cannot be read, or is not a DICOM file."""

    code: ClassVar[str] = "dimse.unsendable"
    retryable: bool = False


class DoesNotFit(DimseError):
    """The content of an SR document is not allowed in the simpler SOP class that a peer would take."""

    code: ClassVar[str] = "dimse.does-not-fit"
    retryable: bool = False


class OperationRefused(DimseError):
    """N-ACTION or N-EVENT-REPORT ended in a failure status; what a peer cannot do now it may do later."""

    code: ClassVar[str] = "dimse.operation-refused"

    def __init__(self, words: str, *, status: int) -> None:
        super().__init__(words)
        self.status = status


class InvalidRequest(DimseError):
    """A request's data set cannot be read, or lacks what the service needs.

    The words go into the answer's Error Comment: they name attributes, never their values.
    """

    code: ClassVar[str] = "dimse.invalid-request"
    retryable: bool = False

    def __init__(self, words: str, *, status: int) -> None:
        super().__init__(words)
        self.status = status
