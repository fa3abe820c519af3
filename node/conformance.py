"""The DICOM Conformance Statement of a node, made from its code and its configuration.

References
----------
DICOM PS3.2 Annex A (template of the statement), PS3.4 (service classes), PS3.18 10.5 (Store transaction).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pydicom.uid import UID

from integration.dicomweb.retrieve import AS_STORED, PAGE
from integration.dicomweb.storing import ANSWER, MOST_PARTS
from integration.dimse.questions import FIND, GET, MOVE, contexts_of
from integration.dimse.retrieve import CLASSES_AT_ONCE, SYNTAXES
from integration.dimse.store import WARNINGS
from integration.results.patient import CHARACTER_SET
from node.archive.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from node.config import DicomwebPeer, DimsePeer, Settings
from node.listener import sop_classes
from node.listener.commands import Status
from node.listener.negotiation import SERVICE_TRANSFER_SYNTAXES, VERIFICATION_TRANSFER_SYNTAXES

CREATED: Final = (
    (
        "1.2.840.10008.5.1.4.1.1.66.4",
        "masks, BINARY, or FRACTIONAL (PROBABILITY) where `results.segmentation` says so; IOD of Segmentation",
        "SEG",
    ),
    ("1.2.840.10008.5.1.4.1.1.66.7", "masks, LABELMAP, where `results.segmentation` says so", "SEG"),
    ("1.2.840.10008.5.1.4.1.1.88.34", "measurements by TID 1500; and findings that cannot be drawn, as text", "SR"),
    ("1.2.840.10008.5.1.4.1.1.88.33", "fetal biometry by TID 5000; TID 5300 of sources without a time zone", "SR"),
    ("1.2.840.10008.5.1.4.1.1.88.72", "an adult's heart by TID 5300, of sources that name their time zone", "SR"),
    ("1.2.840.10008.5.1.4.1.1.7", "a marked or processed still", "SC"),
    ("1.2.840.10008.5.1.4.1.1.7.2", "a processed cine, gray", "SC"),
    ("1.2.840.10008.5.1.4.1.1.7.4", "a marked or processed cine", "SC"),
    ("1.2.840.10008.5.1.4.1.1.11.1", "the marks over a gray source, where `objects` has PR", "PR"),
    ("1.2.840.10008.5.1.4.1.1.11.2", "the marks over a colour source, where `objects` has PR", "PR"),
    ("1.2.840.10008.5.1.4.1.1.88.59", "the frames that matter, by TID 2010, and the other results; of clips", "KO"),
    ("1.2.840.10008.5.1.4.1.1.104.1", "a report to print, where `objects` has PDF", "DOC"),
)
STORE_STATUSES: Final = (
    (Status.SUCCESS, "the instance and its name are synced to disk; the index follows"),
    (Status.SOP_CLASS_NOT_SUPPORTED, "the SOP class is not that of the presentation context, or not taken"),
    (Status.INVALID_INSTANCE, "the SOP Instance UID is no UID"),
    (
        Status.OUT_OF_RESOURCES,
        "the disk is full, under its reserve or not writable: the sender tries again later",
    ),
    (Status.MISMATCH, "the data set is of another SOP class or instance than the request, or of another study"),
    (Status.CANNOT_UNDERSTAND, "the data set, or a part of a multipart body, cannot be read"),
)
NEWEST: Final = {  # that pydicom has no name for yet
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.1": "Waveform Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "Waveform Acquisition Presentation State Storage",
}
FETCHING: Final = (
    (FIND, "hierarchical; levels STUDY, SERIES, IMAGE; no relational queries, no fuzzy matching"),
    (MOVE, "levels SERIES and IMAGE, with lists of UIDs; the destination is this AE"),
    (GET, "levels SERIES and IMAGE, with lists of UIDs; this AE is the SCP of storage by role selection"),
)


def conformance_markdown(settings: Settings | None = None) -> str:
    """The statement in Markdown, in the layout of PS3.2.

    Parameters
    ----------
    settings
        Of the node that it is about; None: one with defaults.
    """
    settings = settings or Settings()
    return "\n".join(
        [
            *_overview(settings),
            *_networking(settings),
            *_web(settings),
            *_retrieval(),
            *_worklist(settings),
            *_rest(),
        ]
    )


def _overview(settings: Settings) -> list[str]:
    listener = settings.listener
    services = [
        ("Storage", "images, and whatever else the classes of 2.2 hold", "yes", "results"),
        ("Verification", "", "yes", "doctor"),
        ("Modality Performed Procedure Step", "", _said(listener.mpps), "no"),
        ("Instance Availability Notification", "", _said(listener.availability), "no"),
        ("Storage Commitment Push Model", "", _said(listener.commitment), "where a peer has `commitment`"),
        (
            "Query/Retrieve (FIND, MOVE, GET), Study Root",
            "",
            "no",
            "`pull`, priors, images of work items; gathering of training data, by MOVE",
        ),
        ("Worklist service (UPS-RS)", "`/dicom-web/workitems`", "yes, without subscriptions", "no"),
        ("Store transaction (STOW-RS)", "`/dicom-web/studies`", "yes", "results, to peers of kind `dicomweb`"),
        (
            "Search and Retrieve transactions (QIDO-RS, WADO-RS)",
            "",
            "no",
            "`pull`, priors, images of work items; gathering of training data",
        ),
    ]
    return [
        "# DICOM Conformance Statement",
        "",
        f"Product: echocare-node, implementation {IMPLEMENTATION_VERSION_NAME} ({IMPLEMENTATION_CLASS_UID}). This page"
        " is made from the code: `.venv/bin/python -m node.conformance > docs/conformance.md`; that of a node with its"
        " own configuration by `echocare-node conformance`. For research use only, not for diagnosis.",
        "",
        "## 1 Overview",
        "",
        "The node takes ultrasound studies, computes findings, and writes results into the same studies.",
        "",
        *_table(("service", "remarks", "as provider (SCP, origin server)", "as user (SCU, user agent)"), services),
    ]


def _networking(settings: Settings) -> list[str]:
    listener = settings.listener
    stored = sorted(sop_classes.DEFAULT if listener.storage_sop_classes is None else listener.storage_sop_classes)
    offered = [
        uid
        for uid, is_offered in (
            (sop_classes.PERFORMED_STEP, listener.mpps),
            (sop_classes.INSTANCE_AVAILABILITY, listener.availability),
            (sop_classes.STORAGE_COMMITMENT, listener.commitment),
        )
        if is_offered
    ]
    peers = [
        (name, "C-STORE" + (", storage commitment" if peer.commitment else ""))
        for name, peer in settings.peers.items()
        if isinstance(peer, DimsePeer)
    ]
    return [
        "",
        "## 2 Networking",
        "",
        "### 2.1 Application entity",
        "",
        *_table(
            ("property", "value"),
            [
                ("AE title", f"`{settings.node.ae_title}`"),
                ("port", f"{listener.dicom_port}" + (" (DICOM TLS)" if listener.tls.enabled else "")),
                ("application context", "1.2.840.10008.3.1.1.1"),
                ("associations at a time, as acceptor", str(listener.max_associations)),
                ("maximum PDU length announced", f"{listener.max_pdu_bytes} bytes"),
                ("asynchronous operations", "none"),
                ("callers", "those of `listener.allow`, by AE title and address; by default this machine alone"),
                ("called AE title", "checked" if listener.called_ae_check else "not checked"),
                ("extended negotiation", "role selection for Storage Commitment; a user identity is passed over"),
            ],
        ),
        "",
        "### 2.2 Storage as SCP",
        "",
        "Every transfer syntax is accepted, the first one proposed: an instance is kept as it came, and frames are"
        " decoded when a task asks for them.",
        "",
        *_table(("SOP class", "UID"), [(_name(uid), f"`{uid}`") for uid in stored]),
        "",
        *_table(("status", "when"), [(f"{status.value:04X}", words) for status, words in STORE_STATUSES]),
        "",
        "### 2.3 Other services as SCP",
        "",
        *_table(
            ("SOP class", "UID", "transfer syntaxes"),
            [
                (_name(uid), f"`{uid}`", _syntaxes(syntaxes))
                for uid, syntaxes in [
                    (sop_classes.VERIFICATION, VERIFICATION_TRANSFER_SYNTAXES),
                    *((uid, SERVICE_TRANSFER_SYNTAXES) for uid in offered),
                ]
            ],
        ),
        "",
        "A step that is COMPLETED, or an availability notification, closes the study it names once its instances are"
        " there; DISCONTINUED closes nothing. A commitment is reported on the caller's association, later on one to the"
        " peer with its AE title.",
        "",
        "### 2.4 Storage as SCU",
        "",
        "Results are sent in the transfer syntax they were written in, one presentation context a class and syntax."
        " To a peer that takes less, they go uncompressed in Explicit or Implicit VR Little Endian; Comprehensive 3D SR"
        " goes as Comprehensive SR, else as Enhanced SR, where these can hold its content and `fall_back` of the"
        " peer is on: the same content, as an instance with a UID of its own, for which storage commitment is asked.",
        "",
        *_table(("peer", "services"), peers or [("none is configured", "")]),
        "",
        "A status of success or a warning counts as accepted; the warning is kept with the delivery: "
        + "; ".join(f"{status:04X} {words}" for status, words in WARNINGS.items())
        + ". Everything else is tried again with growing pauses, then kept as failed until somebody retries it.",
        "",
        "### 2.5 Query/Retrieve as SCU",
        "",
        *_table(("SOP class", "UID", "how"), [(_name(uid), f"`{uid}`", how) for uid, how in FETCHING]),
        "",
        f"Queries are proposed in {_syntaxes(context.transfer_syntax for context in contexts_of(FIND))}. Matching keys"
        " are those that a user names; for priors Patient ID, a range of Study Date and US in Modalities in Study; for"
        " work items UIDs. UIDs, Study Date, Modalities in Study, Modality and SOP Class UID are asked to be returned,"
        " for priors Issuer of Patient ID too. With C-GET, storage is proposed for the SOP classes that the PACS told,"
        f" {CLASSES_AT_ONCE} to an association, in a context for each of {len(SYNTAXES)} transfer syntaxes:"
        f" {_syntaxes(SYNTAXES)}. Leaving early sends C-CANCEL.",
    ]


def _web(settings: Settings) -> list[str]:
    stores = [(name, peer.url) for name, peer in settings.peers.items() if isinstance(peer, DicomwebPeer)]
    return [
        "",
        "## 3 Web services",
        "",
        "### 3.1 Store transaction as origin server",
        "",
        *_table(
            ("property", "value"),
            [
                ("resources", "`POST /dicom-web/studies`, `POST /dicom-web/studies/{study}`"),
                ("port", str(settings.http.port)),
                ("callers", "this machine, and the networks of `http.allow`"),
                ("media type", '`multipart/related; type="application/dicom"`, a part an instance'),
                (
                    "size of a body",
                    f"at most {settings.http.most_upload_bytes} bytes and {MOST_PARTS} parts, streamed; intake ends"
                    " when free space is under its reserve",
                ),
                ("requests at a time", str(settings.http.most_uploads)),
                ("answer", "`application/dicom+json`: Referenced SOP and Failed SOP Sequence with Failure Reason"),
            ],
        ),
        "",
        *_table(
            ("status", "when"),
            [
                ("200", "all instances are safe"),
                ("202", "some are; the others are named with their reasons, as in 2.2"),
                ("400", "no multipart body, or it breaks off"),
                ("403", "the caller is not allowed"),
                ("406, 415", "an answer or a body of another media type"),
                ("408", "no bytes came for `listener.idle_timeout_s`, or fewer than `http.least_bytes_per_s`"),
                ("409", "none is stored; each is named with its reason"),
                ("413", "the body is too large, or has too many parts; what came before is kept, and not answered for"),
                ("503, 507", "too many requests at a time; no space, or the archive cannot be written"),
            ],
        ),
        "",
        "### 3.2 Store transaction as user agent",
        "",
        *_table(("peer", "root of its services"), stores or [("none is configured", "")]),
        "",
        "Results go to `/studies` of the peer, several in a request, in the transfer syntax they were written in, as"
        ' `multipart/related; type="application/dicom"` with Content-Length; the answer is asked for as'
        " `application/dicom+json`. An instance counts as accepted when the Referenced SOP Sequence names it; a Warning"
        " Reason is kept with the delivery. Of the Failed SOP Sequence, reasons A9xx, Cxxx, 0117 and 0122 are final,"
        " all others are tried again; 0111 counts as accepted. A request that is refused whole is repeated with one"
        " instance each. Basic authentication or a bearer token, by `login` of the peer.",
    ]


def _retrieval() -> list[str]:
    return [
        "",
        "### 3.3 Search and Retrieve transactions as user agent",
        "",
        *_table(
            ("property", "value"),
            [
                ("searched", "`/studies`, `/studies/{study}/series`, `/studies/{study}/series/{series}/instances`"),
                ("parameters", f"keys by keyword, `includefield`, `limit` ({PAGE} a page) and `offset`"),
                ("retrieved", "`/studies/{study}/series/{series}`, and `…/instances/{instance}` below it"),
                ("media types", f"`{ANSWER}`; `{AS_STORED}`"),
                ("authentication", "none, basic, or a bearer token"),
            ],
        ),
    ]


def _worklist(settings: Settings) -> list[str]:
    performs = "does those that name one of its tasks" if settings.workitems.perform else "does none of them"
    return [
        "",
        "### 3.4 Worklist service as origin server",
        "",
        f"Work items are Unified Procedure Steps; the node keeps them and {performs}: [workitems.md](workitems.md).",
        "",
        *_table(
            ("transaction", "resource", "remarks"),
            [
                ("Create", "`POST /workitems?{workitem}`", "the UID in the query, in SOPInstanceUID, or given here"),
                ("Retrieve", "`GET /workitems/{workitem}`", "without Transaction UID"),
                ("Update", "`POST /workitems/{workitem}?{transaction-uid}`", "top-level attributes, sequences whole"),
                ("Change state", "`PUT /workitems/{workitem}/state`", "as PS3.4 Table CC.1.1-2"),
                ("Request cancellation", "`POST /workitems/{workitem}/cancelrequest`", "see below"),
                ("Search", "`GET /workitems?…`", "every attribute, also in sequences; all attributes are returned"),
                ("Subscribe, Unsubscribe, events", "none", "not offered; there are no deletion locks"),
            ],
        ),
        "",
        "Paths are below `/dicom-web`; the media type is `application/dicom+json`; callers are those of 3.1. Matching"
        " is by single value, UID list, wildcards and ranges of dates and times, without offsets from UTC; person names"
        " whatever their case; no fuzzy matching.",
        "",
        "Inputs that are not here are fetched where RetrieveAETitle of DICOMRetrievalSequence is that of a configured"
        " peer, or RetrieveURL of WADORSRetrievalSequence lies below the DICOMweb root of one; no other address is"
        " called.",
        "",
        "Of a new work item, attributes of type 2 that are left out are added empty, and an empty WorklistLabel becomes"
        f" `{settings.node.ae_title}`; the answer then warns of modifications."
        " ScheduledProcedureStepModificationDateTime is set here. COMPLETED needs PerformedStationNameCodeSequence,"
        " PerformedProcedureStepStartDateTime and EndDateTime, PerformedWorkitemCodeSequence and"
        " OutputInformationSequence; CANCELED needs ProcedureStepCancellationDateTime and"
        " ProcedureStepDiscontinuationReasonCodeSequence. A request for cancellation cancels what is SCHEDULED, and"
        " what this node does unless its results are made; it is refused for what another performer has claimed. What"
        f" has ended is deleted after {settings.workitems.keep_s:.0f} s, and then answered 410. At most"
        f" {settings.workitems.most_open} are open.",
    ]


def _rest() -> list[str]:
    return [
        "",
        "## 4 Media interchange",
        "",
        "None. `predict -o` writes DICOM files without a DICOMDIR.",
        "",
        "## 5 Character sets",
        "",
        f"Received: every one of PS3.5 6.1. Written: {CHARACTER_SET}. Names and other attributes of patient and study"
        " are copied from the source; where instances of a study disagree about the patient, nothing is written.",
        "",
        "## 6 Security",
        "",
        "DICOM TLS 1.2 or later for the listener and for peers, with client certificates where `ca` is set."
        " HTTP is plain: put a proxy before it where it leaves the machine. Logs hold no patient attributes.",
        "",
        "## 7 Objects that are created",
        "",
        *_table(
            ("SOP class", "UID", "modality", "holds"),
            [(_name(uid), f"`{uid}`", modality, words) for uid, words, modality in CREATED],
        ),
        "",
        "Each is a series of its own in the study of its source, with the source's frame of reference, if any, and a"
        " reference to it. Contributing Equipment names the task, its version and the digests of package and encoder."
        " UIDs are derived (2.25) from the source's bytes, the package and the route: the same input gives the same"
        " instance. Content Qualification is RESEARCH until a site says otherwise. There are no private attributes;"
        " codes without a standard one are of the scheme 99ECHOCARE.",
        "",
    ]


def _name(uid: str) -> str:
    return NEWEST.get(uid) or UID(uid).name


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [list(columns), ["---"] * len(columns), *(list(row) for row in rows)]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _syntaxes(uids: Iterable[str]) -> str:
    return ", ".join(_name(uid) for uid in sorted(uids))


def _said(is_on: bool) -> str:
    return "yes" if is_on else "switched off"


if __name__ == "__main__":
    import sys

    sys.stdout.write(conformance_markdown())
