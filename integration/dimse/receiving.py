"""A store of our own for what C-MOVE sends, for who has no listener.

On pynetdicom: a few associations that wait for a PACS gain nothing from the ways round its threads that sending needs.

References
----------
DICOM PS3.4 B.2.3 (statuses of C-STORE).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt

from integration.dimse.questions import SUCCESS
from integration.dimse.retrieve import QueryRetrieveError
from integration.retrieval import Arriving, Keeper

MOST_ASSOCIATIONS: Final = 4  # that a PACS may send on at once; an instance of each is in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """Where the PACS sends what is to be moved; it has to know this AE title with this host and port."""

    ae_title: str = "ECHOCARE"
    bind: str = "127.0.0.1"
    port: int = 11113

    @contextmanager
    def receiving(self, keeper: Keeper) -> Iterator[None]:
        """Listen for the length of the block.

        Raises
        ------
        QueryRetrieveError
            The port is taken.
        """

        def received(event: Any) -> int:  # noqa: ANN401 - pynetdicom is not typed
            request = event.request
            reception = keeper.begin(
                Arriving(
                    sop_class_uid=str(request.AffectedSOPClassUID),
                    sop_instance_uid=str(request.AffectedSOPInstanceUID),
                    transfer_syntax_uid=str(event.context.transfer_syntax),
                )
            )
            try:
                reception.take(memoryview(event.encoded_dataset(include_meta=False)))
                refusal = reception.finish()
            finally:
                reception.abandon()
            return SUCCESS if refusal is None else refusal.status

        ae = AE(ae_title=self.ae_title)
        ae.require_called_aet = True
        ae.maximum_associations = MOST_ASSOCIATIONS
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(str(context.abstract_syntax), ALL_TRANSFER_SYNTAXES)
        try:
            server: Any = ae.start_server(
                (self.bind, self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, received)]
            )
        except OSError as fault:
            raise QueryRetrieveError(
                f"nothing can be received on {self.bind}:{self.port} ({fault.strerror}): name another port"
            ) from fault
        try:
            yield
        finally:
            server.shutdown()
