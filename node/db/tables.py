"""The tables. The instances' files are the record; `instance`, `study` and `revision` are an index over them."""

from __future__ import annotations

import sqlalchemy as sa

from node.config.sections import Mode, Priority
from node.db.columns import Prose, Utc, words
from node.db.states import (
    DeliveryState,
    JobState,
    PriorState,
    ReportState,
    Signal,
    StepState,
    StudyState,
    WorkitemState,
)

UID = sa.String(64)
DIGEST = sa.String(64)  # SHA-256, hexadecimal
PLACE = sa.String(1024)
# SQLite counts up only a column that is declared INTEGER.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

study = sa.Table(
    "study",
    metadata,
    sa.Column("uid", UID, primary_key=True),
    sa.Column("state", words(StudyState), nullable=False),
    sa.Column("first_received_at", Utc, nullable=False),
    sa.Column("last_received_at", Utc, nullable=False),
    sa.Column("quiet_until", Utc, nullable=False),
    sa.Column("signal", words(Signal)),  # a belief, stronger than the timer, that waits for the study to be closed
    sa.Column("signal_at", Utc),
    sa.Column("conflict", sa.Boolean, nullable=False),  # one UID came with two contents
    # All of it was fetched as a prior of another study: it is closed, has no revision, and no rule sees it.
    sa.Column("prior", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("ix_study_state_quiet_until", "state", "quiet_until"),
    sa.Index("ix_study_last_received_at", "last_received_at"),
)

instance = sa.Table(
    "instance",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("sop_instance_uid", UID, nullable=False),
    sa.Column("study_uid", UID, sa.ForeignKey("study.uid"), nullable=False),
    sa.Column("series_uid", UID, nullable=False),
    sa.Column("sop_class", UID, nullable=False),
    sa.Column("transfer_syntax", UID, nullable=False),
    sa.Column("path", PLACE, nullable=False),  # below the archive's root
    sa.Column("sha256", DIGEST, nullable=False),  # of the data set without preamble and file meta
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("calling_ae", sa.String(16), nullable=False),
    sa.Column("called_ae", sa.String(16), nullable=False),
    sa.Column("received_at", Utc, nullable=False),
    sa.Column("conflict", sa.Boolean, nullable=False),  # not the first content under its UID; no job sees it
    sa.UniqueConstraint("sop_instance_uid", "sha256"),
    sa.Index("ix_instance_study_uid", "study_uid"),
)

revision = sa.Table(
    "revision",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("study_uid", UID, sa.ForeignKey("study.uid"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),  # from 1
    sa.Column("inputs_digest", DIGEST, nullable=False),
    sa.Column("closed_by", words(Signal), nullable=False),
    sa.Column("closed_at", Utc, nullable=False),
    sa.Column("conflict", sa.Boolean, nullable=False),
    sa.Column("routed_at", Utc),  # null until its jobs stand in `job`
    sa.UniqueConstraint("study_uid", "number"),
    sa.Index("ix_revision_routed_at", "routed_at"),
)

revision_instance = sa.Table(
    "revision_instance",
    metadata,
    sa.Column("revision_id", KEY, sa.ForeignKey("revision.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("instance_id", KEY, sa.ForeignKey("instance.id"), primary_key=True),
    sa.Index("ix_revision_instance_instance_id", "instance_id"),
)

prior_search = sa.Table(
    "prior_search",  # older studies of a study's patient, which a peer is asked for because a route wants them
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("study_uid", UID, sa.ForeignKey("study.uid"), nullable=False),
    sa.Column("source", sa.String(64), nullable=False),  # name of the peer
    sa.Column("most", sa.Integer, nullable=False),
    sa.Column("within_days", sa.Integer, nullable=False),
    sa.Column("asked_at", Utc, nullable=False),
    sa.Column("until", Utc, nullable=False),  # how long jobs wait for it
    sa.Column("ended_at", Utc),  # nothing more is fetched
    sa.Column("settled_at", Utc),  # and what came was looked at
    sa.Column("reason", Prose),  # why something was not fetched
    sa.UniqueConstraint("study_uid", "source"),
    sa.Index("ix_prior_search_settled_at", "settled_at"),
)

prior = sa.Table(
    "prior",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("search_id", KEY, sa.ForeignKey("prior_search.id", ondelete="CASCADE"), nullable=False),
    sa.Column("study_uid", UID, nullable=False),  # not a foreign key: it is written before anything of it comes
    sa.Column("state", words(PriorState), nullable=False),
    # What of the study is received between these times, from that calling AE or, where it is null, from anybody,
    # comes because it was asked for.
    sa.Column("since", Utc, nullable=False),
    sa.Column("until", Utc),
    sa.Column("sender", sa.String(16)),
    sa.Column("reason", Prose),
    sa.UniqueConstraint("search_id", "study_uid"),
    sa.Index("ix_prior_study_uid", "study_uid"),
)

job = sa.Table(
    "job",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("identity", DIGEST, nullable=False, unique=True),
    sa.Column("revision_id", KEY, sa.ForeignKey("revision.id"), nullable=False),
    sa.Column("route", sa.String(64), nullable=False),
    sa.Column("task", sa.String(64), nullable=False),
    sa.Column("package_digest", DIGEST, nullable=False),
    sa.Column("mode", words(Mode), nullable=False),
    sa.Column("priority", words(Priority), nullable=False),
    sa.Column("send_to", sa.JSON, nullable=False),  # names of peers
    sa.Column("state", words(JobState), nullable=False),
    sa.Column("turn_at", Utc, nullable=False),  # creation, later by priority: who goes first, with aging
    sa.Column("claims", sa.Integer, nullable=False),  # claims ever; tells a lease from an earlier one of the same job
    sa.Column("attempt", sa.Integer, nullable=False),  # claims that count against max_attempts
    sa.Column("not_before", Utc, nullable=False),
    sa.Column("lease_owner", sa.String(128)),
    sa.Column("lease_until", Utc),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error", Prose),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("claimed_first_at", Utc),  # the time written into results, so that a replay writes the same bytes
    sa.Column("finished_at", Utc),
    sa.CheckConstraint("(state = 'leased') = (lease_owner IS NOT NULL)", name="leased_has_owner"),
    sa.Index("ix_job_state_turn_at", "state", "turn_at"),
    sa.Index("ix_job_state_lease_until", "state", "lease_until"),
    sa.Index("ix_job_revision_id", "revision_id"),
)

job_instance = sa.Table(
    "job_instance",
    metadata,
    sa.Column("job_id", KEY, sa.ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("instance_id", KEY, sa.ForeignKey("instance.id"), primary_key=True),
    sa.Index("ix_job_instance_instance_id", "instance_id"),
)

look = sa.Table(
    "look",
    metadata,
    sa.Column("instance_id", KEY, sa.ForeignKey("instance.id"), primary_key=True),
    sa.Column("package_digest", DIGEST, primary_key=True),
    sa.Column("seen", sa.JSON, nullable=False),  # facts of `view` for routing rules
    sa.Column("at", Utc, nullable=False),
)

result = sa.Table(
    "result",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("job_id", KEY, sa.ForeignKey("job.id"), nullable=False),
    sa.Column("sop_instance_uid", UID, nullable=False, unique=True),
    sa.Column("sop_class", UID, nullable=False),
    sa.Column("study_uid", UID, nullable=False),
    sa.Column("series_uid", UID, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),  # SEG, SR, SR-TEXT, SC, ENH
    sa.Column("path", PLACE, nullable=False),
    sa.Column("sha256", DIGEST, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Index("ix_result_job_id", "job_id"),
    sa.Index("ix_result_study_uid", "study_uid"),
)

delivery = sa.Table(
    "delivery",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("result_id", KEY, sa.ForeignKey("result.id"), nullable=False),
    sa.Column("destination", sa.String(64), nullable=False),
    sa.Column("state", words(DeliveryState), nullable=False),
    sa.Column("claims", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("not_before", Utc, nullable=False),
    sa.Column("lease_owner", sa.String(128)),
    sa.Column("lease_until", Utc),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error", Prose),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("accepted_at", Utc),
    sa.Column("committed_at", Utc),
    sa.Column("commit_due_at", Utc),  # when the destination is asked, or asked again, to commit to it; null: never
    sa.Column("commit_asks", sa.Integer, nullable=False, server_default="0"),
    sa.Column("note", Prose),  # what the destination remarked while accepting it
    sa.Column("sent_sop_class", UID),  # of what was sent instead of the result; null: the result's own
    sa.Column("sent_sop_instance_uid", UID),
    sa.Column("sent_transfer_syntax", UID),  # null: that of the result's file
    sa.CheckConstraint("(state = 'leased') = (lease_owner IS NOT NULL)", name="leased_has_owner"),
    sa.UniqueConstraint("result_id", "destination"),
    sa.Index("ix_delivery_destination_state_not_before", "destination", "state", "not_before"),
    sa.Index("ix_delivery_state_lease_until", "state", "lease_until"),
)

commitment = sa.Table(
    "commitment",  # what was asked of a destination, under one transaction
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("transaction_uid", UID, nullable=False, unique=True),
    sa.Column("destination", sa.String(64), nullable=False),
    sa.Column("asked_at", Utc, nullable=False),
    sa.Column("reported_at", Utc),
)

commitment_delivery = sa.Table(
    "commitment_delivery",
    metadata,
    sa.Column("commitment_id", KEY, sa.ForeignKey("commitment.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("delivery_id", KEY, sa.ForeignKey("delivery.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_commitment_delivery_delivery_id", "delivery_id"),
)

commitment_request = sa.Table(
    "commitment_request",  # what others ask of this node
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("transaction_uid", UID, nullable=False),
    sa.Column("calling_ae", sa.String(16), nullable=False),
    sa.Column("instances", sa.JSON, nullable=False),  # pairs of SOP class and SOP instance
    sa.Column("requested_at", Utc, nullable=False),
    sa.Column("judged_at", Utc),
    sa.Column("failures", sa.JSON),  # reason by SOP instance, of those that are not kept
    sa.Column("state", words(ReportState), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("not_before", Utc, nullable=False),
    sa.Column("reported_at", Utc),
    sa.Column("error", Prose),
    sa.UniqueConstraint("transaction_uid", "calling_ae"),
    sa.Index("ix_commitment_request_state_not_before", "state", "not_before"),
)

performed_step = sa.Table(
    "performed_step",  # modality performed procedure steps
    metadata,
    sa.Column("uid", UID, primary_key=True),
    sa.Column("study_uid", UID, nullable=False),  # not a foreign key: most steps begin before an image comes
    sa.Column("state", words(StepState), nullable=False),
    sa.Column("calling_ae", sa.String(16), nullable=False),
    sa.Column("instances", sa.JSON, nullable=False),  # SOP Instance UIDs that it names
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("changed_at", Utc, nullable=False),
    sa.Index("ix_performed_step_study_uid_state", "study_uid", "state"),
)

announcement = sa.Table(
    "announcement",  # somebody named the instances of a complete exam
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("signal", words(Signal), nullable=False),
    sa.Column("source_uid", UID, nullable=False),  # of the step, the notification, the transaction
    sa.Column("study_uid", UID, nullable=False),
    sa.Column("instances", sa.JSON, nullable=False),  # SOP Instance UIDs
    sa.Column("at", Utc, nullable=False),
    sa.Column("settled_at", Utc),  # all of them were here
    sa.UniqueConstraint("signal", "source_uid"),
    sa.Index("ix_announcement_settled_at_study_uid", "settled_at", "study_uid"),
)

workitem = sa.Table(
    "workitem",  # Unified Procedure Steps
    metadata,
    sa.Column("uid", UID, primary_key=True),
    sa.Column("state", words(WorkitemState), nullable=False),
    sa.Column("transaction_uid", UID),  # of its performer, who alone knows it
    sa.Column("ours", sa.Boolean, nullable=False),  # this node performs it
    sa.Column("content", sa.JSON),  # its attributes in the DICOM JSON model; null: it was deleted
    sa.Column("study_uid", UID),  # of its inputs, where they are of one study
    sa.Column("starts_at", Utc, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("changed_at", Utc, nullable=False),
    sa.Column("judged_at", Utc),  # when this node last looked whether it can do it, later whether its images are here
    sa.Column("claimed_at", Utc),
    sa.Column("planned_at", Utc),  # its jobs stand in `workitem_job`
    sa.Column("computed_at", Utc),  # they have all ended
    sa.Column("ended_at", Utc),
    sa.Column("fetch_from", sa.String(64)),  # name of the peer that is asked for its images
    sa.Column("fetch_at", Utc),  # when it is asked, or asked again; null: not (any more)
    sa.Column("fetch_attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("fetch_reason", Prose),  # why the last attempt did not bring all
    sa.Index("ix_workitem_state_ours", "state", "ours"),
    sa.Index("ix_workitem_study_uid", "study_uid"),
    sa.Index("ix_workitem_ended_at", "ended_at"),
)

workitem_job = sa.Table(
    "workitem_job",
    metadata,
    sa.Column("workitem_uid", UID, sa.ForeignKey("workitem.uid", ondelete="CASCADE"), primary_key=True),
    sa.Column("job_id", KEY, sa.ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("made", sa.Boolean, nullable=False),  # for this work item; else it was there already
    sa.Index("ix_workitem_job_job_id", "job_id"),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("at", Utc, nullable=False),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("what", sa.String(64), nullable=False),
    sa.Column("object_kind", sa.String(16), nullable=False),
    sa.Column("object_key", sa.String(64), nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Index("ix_event_object_kind_object_key", "object_kind", "object_key"),
    sa.Index("ix_event_at", "at"),
)

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("result_id", KEY, sa.ForeignKey("result.id"), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Index("ix_feedback_result_id", "result_id"),
)
