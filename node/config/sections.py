"""The sections of the configuration: every key with its default and one line that says what it does."""

from __future__ import annotations

import os
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, IPvAnyAddress, IPvAnyNetwork, model_validator

from node.config.values import AePattern, AeTitle, Hours, LocalPath, Name, Port, Seconds, Size, WebUrl

MOST_LISTENERS = 4  # the disk's sync is the limit beyond that


ResultRole: TypeAlias = Literal[
    "SEG", "SR", "SR-TEXT", "SR-OB", "SR-ECHO", "SC", "ENH", "PR", "KOS", "PDF"
]  # of `integration.results`


class Section(BaseModel):
    """What all sections share: frozen, no unknown keys, defaults held to the same rules as given values."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Mode(StrEnum):
    """Whether a route's results leave the node."""

    ACTIVE = "active"
    SHADOW = "shadow"  # computed and stored, never delivered


class Priority(StrEnum):
    """Which job goes first; waiting raises a job, so that nothing starves."""

    STAT = "stat"
    ROUTINE = "routine"
    SHADOW = "shadow"


class ObjectKind(StrEnum):
    """A kind of result object; `integration.results.objects` says what speaks for and against each."""

    SEG = "SEG"  # outlines
    SR = "SR"  # measurements and answers, in one document or more
    SC = "SC"  # the picture with the marks
    ENH = "ENH"  # a processed picture
    PR = "PR"  # a presentation state with the marks
    KOS = "KOS"  # the frames that matter
    PDF = "PDF"  # a report to print


def _some(kinds: tuple[ObjectKind, ...]) -> tuple[ObjectKind, ...]:
    if not kinds:
        raise ValueError("must name one kind or more; leave it out for the default")
    return kinds


Objects: TypeAlias = Annotated[tuple[ObjectKind, ...], AfterValidator(_some)]


class Node(Section):
    """The node itself."""

    ae_title: AeTitle = Field(
        default="ECHOCARE", description="AE title of this node, as called by senders and as caller."
    )
    data_dir: LocalPath = Field(default=LocalPath("var"), description="Folder for everything that the node writes.")
    study_quiet_s: Seconds = Field(
        default=30, description="Seconds without a new instance after which an exam is complete."
    )
    min_free_bytes: Size = Field(default=2 * 10**9, description="Free disk space under which intake answers A700.")
    step_hold_s: Annotated[float, Field(ge=0)] = Field(
        default=600,
        description="Instead of `study_quiet_s` while MPPS says that the exam is in progress; 0: never.",
    )
    announced_keep_s: Seconds = Field(
        default=7 * 86400, description="Seconds to remember what MPPS or IAN said of instances that have not come."
    )
    commitment_completes: bool = Field(
        default=False,
        description="A storage commitment request says that the exam is complete; not for modalities that ask for each"
        " image.",
    )


class Allow(Section):
    """Who may open an association."""

    ae: AePattern = Field(default="*", description="Calling AE title, or * for any.")
    net: IPvAnyNetwork = Field(description="Network of the caller's address, such as 10.1.0.0/16.")


class Tls(Section):
    """DICOM TLS (BCP 195). Empty means no TLS."""

    cert: LocalPath | None = Field(default=None, description="Certificate chain of this side, PEM.")
    key: LocalPath | None = Field(default=None, description="Private key of `cert`, PEM.")
    ca: LocalPath | None = Field(default=None, description="Certificates that the other side must be signed by, PEM.")

    @property
    def enabled(self) -> bool:
        return self.cert is not None or self.ca is not None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together: give both or neither")
        return self


class Listener(Section):
    """Intake by DICOM."""

    bind: IPvAnyAddress = Field(default=ip_address("127.0.0.1"), description="Address to listen on; 0.0.0.0 for all.")
    dicom_port: Port = Field(default=11112, description="TCP port for DICOM; 0 takes a free one.")
    processes: Literal["auto"] | Annotated[int, Field(ge=1, le=64)] = Field(
        default="auto", description="Processes that accept on the port; auto: one per core, at most 4."
    )
    max_associations: int = Field(default=100, ge=1, description="Associations at one time; more are rejected as busy.")
    max_pdu_bytes: Size = Field(default=131072, ge=4096, le=2**31, description="Largest P-DATA PDU that is announced.")
    idle_timeout_s: Seconds = Field(
        default=60, description="Seconds without data after which an association is aborted."
    )
    artim_timeout_s: Seconds = Field(default=10, description="Seconds to wait for A-ASSOCIATE-RQ, and after A-RELEASE.")
    called_ae_check: bool = Field(
        default=True, description="Reject callers that call another AE title than this node's."
    )
    storage_sop_classes: tuple[str, ...] | None = Field(
        default=None,
        description="SOP Class UIDs that are accepted; null: every storage class of PS3.4 B.5 and retired US.",
    )
    mpps: bool = Field(
        default=True, description="Take Modality Performed Procedure Steps: COMPLETED says that an exam is complete."
    )
    availability: bool = Field(
        default=True, description="Take Instance Availability Notifications: they say that an exam is complete."
    )
    commitment: bool = Field(
        default=True,
        description="Take storage commitment requests, and reports on what was asked of peers; a report goes out on the"
        " caller's association, later to the peer with its AE title.",
    )
    allow: tuple[Allow, ...] = Field(
        default=(Allow(net=ip_network("127.0.0.0/8")), Allow(net=ip_network("::1/128"))),
        description="Who may call; empty means nobody.",
    )
    tls: Tls = Field(default=Tls(), description="DICOM TLS for callers; `ca` asks them for a certificate.")

    @property
    def process_count(self) -> int:
        """How many processes accept, with `auto` resolved for this machine."""
        if self.processes == "auto":
            return min(MOST_LISTENERS, len(os.sched_getaffinity(0)))
        return self.processes

    @model_validator(mode="after")
    def _tls_has_certificate(self) -> Self:
        if self.tls.ca is not None and self.tls.cert is None:
            raise ValueError("tls.ca without tls.cert: a listener needs a certificate of its own")
        return self


class Http(Section):
    """The HTTP interface."""

    bind: IPvAnyAddress = Field(default=ip_address("127.0.0.1"), description="Address to listen on.")
    port: Port = Field(default=8080, description="TCP port for HTTP; 0 takes a free one.")
    allow: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="Networks that may store by STOW-RS and use the worklist beside this machine; of a proxy on it, the"
        " proxy decides.",
    )
    calling_ae: AeTitle = Field(
        default="STOW-RS", description="What rules see as `calling_ae` of instances that came by STOW-RS."
    )
    most_uploads: int = Field(default=16, ge=1, description="STOW-RS requests at one time; more shall come again.")
    most_upload_bytes: Size = Field(
        default=16 * 10**9, ge=1, description="Largest body of a STOW-RS request; what is longer is broken off."
    )
    least_bytes_per_s: Annotated[float, Field(ge=0)] = Field(
        default=1000,
        description="Slowest sender of a STOW-RS body that is waited for, over `listener.idle_timeout_s`; 0: any.",
    )
    head_timeout_s: Seconds = Field(
        default=10, description="Seconds for the head of a request to come, and for the rest of a refused body."
    )


class Models(Section):
    """Task packages and the device they run on."""

    packages: tuple[LocalPath, ...] = Field(
        default=(), description="Folders of task packages beside the bundled ones (default: `packages` in `data_dir`)."
    )
    bundled: Literal["all", "permissive", "none"] = Field(
        default="all",
        description="Which bundled packages are taken: all; permissive, only those trained on permissive data alone;"
        " none.",
    )
    trials: bool = Field(
        default=False,
        description="Whether routes may send results of packages that call themselves trials on their cards, as in a"
        " study; without, such a task runs in `mode: shadow` alone.",
    )
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N.")
    pin: tuple[Name, ...] = Field(default=(), description="Tasks that stay in memory.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto takes bfloat16 where the device computes with it."
    )
    max_batch: int = Field(
        default=4, ge=1, le=1024, description="Frames in one pass on an accelerator; a CPU takes them one by one."
    )
    max_wait_ms: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=2, description="Milliseconds that an accelerator waits for a fuller batch."
    )
    memory_bytes: Size | None = Field(
        default=None, description="Device memory for weights and passes; null: most of what is free at the start."
    )
    feature_bytes: Size = Field(default=48 * 2**20, description="Encoder maps kept for other tasks on the same frames.")
    aging_s: Seconds = Field(default=30, description="Seconds of waiting in the engine that raise by one priority.")
    pass_limit_s: Seconds = Field(default=120, description="Seconds after which a pass of a package counts as hung.")
    threads: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="CPU threads of a pass; null: one for small encoders, all for large ones."
    )


class Destination(Section):
    """What every peer has, whatever its kind: which results it gets, when, and how fast."""

    roles: tuple[ResultRole, ...] | None = Field(
        default=None,
        description="Which results are sent, such as [SEG, SR]; SR stands for SR-TEXT and its other kinds too; null:"
        " all.",
    )
    hours: tuple[Hours, ...] = Field(
        default=(),
        description='When results are sent, in local time, such as ["22:00-06:00", "sat,sun 00:00-24:00"]; empty:'
        " always.",
    )
    connections: int = Field(default=1, ge=1, le=16, description="Associations or requests at the same time.")
    per_minute: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Most results a minute; null: as fast as it goes."
    )
    bytes_per_s: Annotated[Size, Field(gt=0)] | None = Field(
        default=None,
        description="Most bytes a second on average, such as 2MB; one result goes at full speed. Null: no limit.",
    )


class DimsePeer(Destination):
    """A DICOM application entity that results are sent to by C-STORE."""

    kind: Literal["dimse"] = Field(default="dimse", description="Says that the peer speaks DIMSE.")
    ae_title: AeTitle = Field(description="AE title to call.")
    host: str = Field(min_length=1, description="Host name or address.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="TCP port.")
    calling_ae: AeTitle | None = Field(default=None, description="AE title to call as; null: `node.ae_title`.")
    connect_timeout_s: Seconds = Field(default=5, description="Seconds to wait for the connection and its acceptance.")
    response_timeout_s: Seconds = Field(default=60, description="Seconds to wait for the answer to one C-STORE.")
    max_pdu_bytes: Size = Field(default=131072, ge=4096, le=2**31, description="Largest P-DATA PDU that is announced.")
    tls: Tls = Field(default=Tls(), description="DICOM TLS towards this peer.")
    fall_back: bool = Field(
        default=True,
        description="Send an SR document as Comprehensive or Enhanced SR, as far as these can hold it, where the peer"
        " takes no Comprehensive 3D SR.",
    )
    commitment: bool = Field(
        default=False, description="Ask it to commit to what it accepted; a delivery is done only when it says so."
    )
    commitment_wait_s: Seconds = Field(
        default=600, description="Seconds to wait for its report before it is asked again; doubles with each time."
    )
    commitment_linger_s: Annotated[float, Field(ge=0, le=600)] = Field(
        default=2, description="Seconds to wait for its report on the association on which it was asked."
    )
    retrieve: Literal["auto", "get", "move"] = Field(
        default="auto",
        description="How `pull` fetches images: get, C-GET; move, C-MOVE to this node's own port; auto: C-GET where the"
        " peer offers it.",
    )
    retrieve_timeout_s: Seconds = Field(
        default=600, description="Seconds without a word from it while images are fetched; many tell only the end."
    )


class FolderPeer(Destination):
    """A folder that results are written to."""

    kind: Literal["folder"] = Field(default="folder", description="Says that the peer is a folder.")
    path: LocalPath = Field(description="The folder; files go to `STUDY/SERIES/INSTANCE.dcm` below it.")


class Login(Section):
    """Who this node is to a server: a user with a password, or the bearer of a token; empty: nobody."""

    user: str | None = Field(default=None, min_length=1, description="User name, for basic authentication.")
    password_file: LocalPath | None = Field(default=None, description="File with the password of `user`.")
    password_env: str | None = Field(default=None, description="Environment variable with the password of `user`.")
    token_file: LocalPath | None = Field(
        default=None, description="File with a bearer token; it is read anew for every batch, so it may change."
    )
    token_env: str | None = Field(default=None, description="Environment variable with a bearer token.")

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        passwords = [each for each in (self.password_file, self.password_env) if each is not None]
        tokens = [each for each in (self.token_file, self.token_env) if each is not None]
        if len(passwords) + len(tokens) > 1:
            raise ValueError("more than one of password_file, password_env, token_file, token_env: give one")
        if (self.user is None) != (not passwords):
            raise ValueError("user goes with password_file or password_env: give both or neither")
        return self


class WebPeer(Destination):
    """A server that results are sent to over HTTP."""

    login: Login = Field(default=Login(), description="Who this node is there.")
    connect_timeout_s: Seconds = Field(default=5, description="Seconds to wait for the connection.")
    response_timeout_s: Seconds = Field(default=60, description="Seconds to wait for the answer to a request.")
    tls: Tls = Field(
        default=Tls(), description="For https: whom to trust (`ca`; empty: the system's), and a certificate of ours."
    )


class DicomwebPeer(WebPeer):
    """A DICOMweb server that results are sent to by STOW-RS."""

    kind: Literal["dicomweb"] = Field(default="dicomweb", description="Says that the peer is a DICOMweb server.")
    url: WebUrl = Field(description="Root of its services, such as https://host/dicom-web.")


class OrthancPeer(WebPeer):
    """An Orthanc that results are sent to by its REST interface."""

    kind: Literal["orthanc"] = Field(default="orthanc", description="Says that the peer is an Orthanc.")
    url: WebUrl = Field(description="Root of its REST interface, such as http://host:8042.")


Peer: TypeAlias = Annotated[DimsePeer | DicomwebPeer | OrthancPeer | FolderPeer, Field(discriminator="kind")]


class Priors(Section):
    """Older ultrasound studies of the same patient, fetched before the jobs of a route start."""

    source: Name | None = Field(
        default=None,
        description="Peer that is asked, of kind dimse, dicomweb or orthanc; null: the only such peer there is.",
    )
    most: int = Field(default=2, ge=1, le=20, description="Most studies, newest first.")
    within_days: int = Field(default=1095, ge=1, le=36525, description="Oldest, in days before the study.")
    wait_s: Seconds = Field(
        default=120, description="Seconds that jobs wait for them; then they start with what is there."
    )


class Route(Section):
    """A rule: which images go to which task, and where its results are sent."""

    name: Name = Field(description="Name of the route, unique.")
    when: str = Field(default="true", min_length=1, description="CEL condition on instance, series, study and sender.")
    task: Name = Field(description="Task package that runs.")
    send_to: tuple[Name, ...] = Field(default=(), description="Peers that get the results.")
    mode: Mode = Field(default=Mode.ACTIVE, description="active, or shadow: results are kept but not delivered.")
    priority: Priority = Field(default=Priority.ROUTINE, description="stat, routine or shadow.")
    objects: Objects | None = Field(
        default=None, description="Kinds of objects that it writes; null: those of `results.objects`."
    )
    priors: Priors | None = Field(
        default=None,
        description="Older studies of the patient that are fetched first, such as `{most: 2}`; null: none.",
    )


class Leases(Section):
    """How work that is claimed, may fail and is tried again behaves."""

    lease_s: Seconds = Field(
        default=60, description="Seconds after the last heartbeat when claimed work is given back."
    )
    heartbeat_s: Seconds = Field(default=15, description="Seconds between heartbeats.")
    max_attempts: int = Field(default=5, ge=1, description="Attempts before it is failed for good.")
    backoff_s: Seconds = Field(
        default=2, description="Wait before the second attempt; doubles with each, with full jitter."
    )
    backoff_max_s: Seconds = Field(default=300, description="Longest wait between two attempts.")
    poll_s: Seconds = Field(default=1, description="Seconds between looks for work when no wake-up comes.")

    @model_validator(mode="after")
    def _heartbeat_within_lease(self) -> Self:
        if self.heartbeat_s >= self.lease_s:
            raise ValueError("heartbeat_s must be shorter than lease_s, or every lease runs out")
        return self


class Jobs(Leases):
    """Jobs: one task on one study revision's images."""

    workers: int = Field(default=1, ge=1, le=64, description="Jobs that run at the same time in one worker process.")
    aging_s: Seconds = Field(default=600, description="Seconds of waiting that raise a job by one priority.")
    most_looks: int = Field(
        default=200,
        ge=1,
        description="Most images of a study that are looked at before routing, where rules ask for `view`; it is empty"
        " for all others.",
    )


class Outbox(Leases):
    """Deliveries: one result instance to one peer."""

    max_attempts: int = Field(default=200, ge=1, description="Attempts before a delivery is failed for good.")
    batch: int = Field(default=50, ge=1, description="Most instances that are sent in one association.")


class Workitems(Section):
    """Work items (UPS-RS): tasks that others assign to studies."""

    perform: bool = Field(
        default=True, description="Claim and do the work items that name a task of this node; else only keep them."
    )
    send_to: tuple[Name, ...] | None = Field(
        default=None, description="Peers that get the results of tasks that no active route names; null: every peer."
    )
    wait_s: Seconds = Field(
        default=3600, description="Seconds to wait for the images of a claimed work item before it is cancelled."
    )
    deliver_wait_s: Seconds = Field(
        default=3600,
        description="Seconds to wait, once its results are made, for peers to accept them; then it is completed, and"
        " says what still waits.",
    )
    keep_s: Seconds = Field(
        default=30 * 86400,
        description="Seconds to keep work items that are completed or cancelled; then they are gone.",
    )
    most_open: int = Field(
        default=10_000, ge=1, description="Work items that are not completed or cancelled; more are refused."
    )


class Results(Section):
    """What result objects say and how."""

    research_use: bool = Field(
        default=True, description="Mark every result as for research use only, not for diagnosis."
    )
    ohif_compat: bool = Field(default=True, description="Write the details that OHIF needs to draw the marks.")
    institution: str | None = Field(
        default=None, max_length=64, description="Institution name of the results' equipment."
    )
    objects: Objects | None = Field(
        default=None,
        description="Kinds of objects that are written, of SEG, SR, SC, ENH, PR, KOS and PDF; null: SEG, SR, SC, ENH,"
        " of clips KOS too.",
    )
    segmentation: Literal["binary", "labelmap", "fractional"] = Field(
        default="binary",
        description="Masks as a binary Segmentation, which more software reads, as a Label Map Segmentation, where"
        " masks do not overlap, or as a fractional one of the probabilities that the task gives, which OHIF does not"
        " show.",
    )


class Live(Section):
    """Frames of a running acquisition, `echocare-node live`."""

    budget_ms: Annotated[float, Field(gt=0, le=60_000)] = Field(
        default=200, description="Milliseconds from a frame's receipt to its answer; later answers are marked stale."
    )
    smooth_s: Annotated[float, Field(ge=0, le=60)] = Field(
        default=1, description="Seconds over which medians of numbers and probabilities are taken; 0: none."
    )
    confirm: int = Field(
        default=3, ge=1, le=1000, description="Frames in a row with another answer before it is shown."
    )
    forget: int = Field(
        default=5, ge=1, le=1000, description="Frames without a thing after which its past is forgotten."
    )
    max_frame_bytes: Size = Field(default=16 * 2**20, ge=1024, description="Largest picture as it is sent.")
    max_frame_pixels: int = Field(
        default=4096 * 4096, ge=256, description="Largest picture, rows by columns, before it is decoded."
    )
    poll_s: Annotated[float, Field(ge=0.005, le=10)] = Field(
        default=0.05, description="Seconds between looks into a watched folder."
    )


class Logs(Section):
    """Logging, to standard error."""

    format: Literal["plain", "json"] = Field(default="plain", description="plain lines, or one JSON object per line.")
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level that is written."
    )
