"""Our reading and answering of association requests, held against pynetdicom's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom._uid_dict import UID_dictionary
from pynetdicom import AllStoragePresentationContexts
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from node.archive.beginning import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.listener.negotiation import Agreement, agree
from node.listener.options import ServiceOptions
from node.listener.request import NotARequest, read_request
from node.listener.sop_classes import (
    DEFAULT,
    INSTANCE_AVAILABILITY,
    PERFORMED_STEP,
    RETIRED,
    STANDARD,
    STORAGE_COMMITMENT,
)
from tests.node.archive.samples import US_IMAGE, US_MULTIFRAME
from tests.node.listener.caller import VERIFICATION, request_bytes, role
from tests.node.listener.running import options

CT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
uids = st.lists(st.integers(0, 10**6), min_size=2, max_size=6).map(lambda parts: ".".join(map(str, [1, *parts])))


def agreed(tmp_path: Path, request: bytes, **changes: object) -> tuple[Agreement, A_ASSOCIATE]:
    agreement = agree(read_request(request), options(tmp_path, **changes))
    reply = A_ASSOCIATE_AC()
    reply.decode(agreement.reply)
    return agreement, reply.to_primitive()


def results(reply: A_ASSOCIATE) -> dict[int, int]:
    return {context.context_id: context.result for context in reply.presentation_context_definition_results_list}


@settings(max_examples=100, deadline=None)
@given(
    contexts=st.lists(st.tuples(uids, st.lists(uids, min_size=1, max_size=4)), min_size=1, max_size=30),
    called=st.text("ABCdef 019_", min_size=1, max_size=16).filter(lambda title: title.strip()),
    calling=st.text("ABCdef 019_", min_size=1, max_size=16).filter(lambda title: title.strip()),
    max_pdu=st.integers(0, 2**32 - 1),
)
def test_request__encoded_by_pynetdicom__is_read_as_meant(
    contexts: list[tuple[str, list[str]]], called: str, calling: str, max_pdu: int
) -> None:
    request = read_request(request_bytes(contexts, called=called, calling=calling, max_pdu=max_pdu))
    assert request.called_ae == called.strip()
    assert request.calling_ae == calling.strip()
    assert request.max_pdu_bytes == max_pdu
    assert request.application_context == "1.2.840.10008.3.1.1.1"
    assert [(each.abstract_syntax, list(dict.fromkeys(each.transfer_syntaxes))) for each in request.proposals] == [
        (abstract_syntax, list(dict.fromkeys(transfer_syntaxes))) for abstract_syntax, transfer_syntaxes in contexts
    ]


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, 400), noise=st.binary(max_size=120), at=st.integers(74, 300))
def test_request__any_bytes__are_read_or_refused(cut: int, noise: bytes, at: int) -> None:
    request = bytearray(request_bytes([(US_IMAGE, [EXPLICIT_LITTLE])] * 3))
    request[at : at + len(noise)] = noise
    try:
        read_request(bytes(request[: max(cut, 74)]))
    except NotARequest as fault:
        assert str(fault)


@pytest.mark.parametrize("count", [1, 2])
def test_request__context_id_used_twice_or_even__is_refused(count: int) -> None:
    request = request_bytes([(US_IMAGE, [EXPLICIT_LITTLE])] * 2)
    second = request.index(b"\x20\x00", request.index(b"\x20\x00", 74) + 4)
    with pytest.raises(NotARequest, match="twice" if count == 1 else "even"):
        read_request(request[: second + 4] + bytes([count]) + request[second + 5 :])


def test_request__control_characters_in_the_ae_title__are_refused() -> None:
    request = request_bytes()
    with pytest.raises(NotARequest, match="AE title"):
        read_request(request[:26] + b"US\x1b[31m" + request[33:])


def test_agreement__first_transfer_syntax_of_the_caller__is_taken(tmp_path: Path) -> None:
    private, jpeg = "1.2.840.113619.5.2", "1.2.840.10008.1.2.4.50"
    agreement, reply = agreed(
        tmp_path,
        request_bytes(
            [
                (US_IMAGE, [jpeg, EXPLICIT_LITTLE]),
                (US_IMAGE, [EXPLICIT_LITTLE, jpeg]),
                (US_MULTIFRAME, [private]),
                (VERIFICATION, [jpeg, IMPLICIT_LITTLE]),
            ]
        ),
    )
    assert results(reply) == {1: 0, 3: 0, 5: 0, 7: 0}
    assert {key: context.transfer_syntax_uid for key, context in agreement.contexts.items()} == {
        1: jpeg, 3: EXPLICIT_LITTLE, 5: private, 7: IMPLICIT_LITTLE,
    }  # fmt: skip


def test_agreement__what_is_not_storage__is_refused(tmp_path: Path) -> None:
    agreement, reply = agreed(
        tmp_path,
        request_bytes(
            [(CT_FIND, [IMPLICIT_LITTLE]), (VERIFICATION, ["1.2.840.10008.1.2.4.50"]), ("1.2.99", ["1.2.3"])]
        ),
    )
    assert results(reply) == {1: 3, 3: 4, 5: 3}
    assert agreement.contexts == {}


def test_agreement__retired_ultrasound_classes__are_accepted(tmp_path: Path) -> None:
    prefix = "1.2.840.10008.5.1.4.1.1"
    assert {f"{prefix}.6", f"{prefix}.3"} <= RETIRED
    _, reply = agreed(tmp_path, request_bytes([(f"{prefix}.6", [IMPLICIT_LITTLE]), (f"{prefix}.3", [EXPLICIT_LITTLE])]))
    assert results(reply) == {1: 0, 3: 0}


def test_sop_classes__every_one_that_pynetdicom_stores__is_accepted() -> None:
    theirs = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
    assert theirs <= STANDARD
    assert {
        uid for uid, (name, kind, _, retired, _) in UID_dictionary.items()
        if kind == "SOP Class" and retired and "Storage" in name and uid.startswith("1.2.840.10008.5.1.4.1.1.")
    } == RETIRED  # fmt: skip


def test_agreement__128_contexts__are_all_answered(tmp_path: Path) -> None:
    classes = sorted(DEFAULT)[:128]
    agreement, reply = agreed(tmp_path, request_bytes([(uid, [EXPLICIT_LITTLE, IMPLICIT_LITTLE]) for uid in classes]))
    assert len(agreement.contexts) == 128
    assert len(results(reply)) == 128


def test_agreement__configured_classes__only_those(tmp_path: Path) -> None:
    _, reply = agreed(
        tmp_path,
        request_bytes([(US_IMAGE, [IMPLICIT_LITTLE]), (US_MULTIFRAME, [IMPLICIT_LITTLE])]),
        storage_sop_classes=frozenset({US_MULTIFRAME}),
    )
    assert results(reply) == {1: 3, 3: 0}


@pytest.mark.parametrize(
    ("scu", "scp", "result", "answered"),
    [(True, False, 0, (True, False)), (True, True, 0, (True, False)), (False, True, 1, None)],
)
def test_agreement__role_selection__caller_may_be_scu_only(
    tmp_path: Path, scu: bool, scp: bool, result: int, answered: tuple[bool, bool] | None
) -> None:
    _, reply = agreed(
        tmp_path, request_bytes([(US_IMAGE, [EXPLICIT_LITTLE])], extra=[role(US_IMAGE, scu=scu, scp=scp)])
    )
    assert results(reply) == {1: result}
    roles = [(item.scu_role, item.scp_role) for item in reply.user_information if hasattr(item, "scu_role")]
    assert roles == ([] if answered is None else [answered])


def test_agreement__asynchronous_operations_identity_and_extended_negotiation__are_left_unanswered(
    tmp_path: Path,
) -> None:
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 8
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field, identity.secondary_field = 2, b"someone", b"secret"
    identity.positive_response_requested = True
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = US_IMAGE, b"\x02\x00\x01\x00\x00\x00"
    agreement, reply = agreed(tmp_path, request_bytes(extra=[window, identity, extended]))
    assert len(agreement.contexts) == 2
    kinds = {type(item).__name__ for item in reply.user_information}
    assert kinds == {
        "MaximumLengthNotification", "ImplementationClassUIDNotification", "ImplementationVersionNameNotification",
    }  # fmt: skip
    assert reply.maximum_length_received == 131072


SERVICES = (PERFORMED_STEP, INSTANCE_AVAILABILITY, STORAGE_COMMITMENT)


def service_options(*sop_classes: str) -> ServiceOptions:
    return ServiceOptions(
        database="sqlite:///unused.db", sop_classes=frozenset(sop_classes), quiet_s=30, hold_s=600, keep_s=600,
        commitment_completes=False, max_attempts=3,
        backoff_s=1, backoff_max_s=1,
    )  # fmt: skip


def test_agreement__services__only_those_offered_in_a_transfer_syntax_that_can_be_read(tmp_path: Path) -> None:
    proposed = [(uid, ["1.2.840.10008.1.2.4.50", EXPLICIT_LITTLE]) for uid in SERVICES]
    proposed.append((PERFORMED_STEP, ["1.2.840.10008.1.2.2"]))
    offered = service_options(PERFORMED_STEP, STORAGE_COMMITMENT)
    agreement, reply = agreed(tmp_path, request_bytes(proposed), services=offered)
    assert results(reply) == {1: 0, 3: 3, 5: 0, 7: 4}
    assert {context.transfer_syntax_uid for context in agreement.contexts.values()} == {EXPLICIT_LITTLE}


def test_agreement__no_services__none_is_accepted(tmp_path: Path) -> None:
    _, reply = agreed(tmp_path, request_bytes([(uid, [IMPLICIT_LITTLE]) for uid in SERVICES]))
    assert set(results(reply).values()) == {3}


@pytest.mark.parametrize(
    ("sop_class", "scu", "scp", "result", "answered"),
    [
        (STORAGE_COMMITMENT, False, True, 0, (False, True)),  # an archive that reports
        (STORAGE_COMMITMENT, True, False, 0, (True, False)),
        (STORAGE_COMMITMENT, True, True, 0, (True, True)),
        (PERFORMED_STEP, True, True, 0, (True, False)),
        (PERFORMED_STEP, False, True, 1, None),
    ],
)
def test_agreement__role_selection_of_services__only_commitment_turns_the_roles(
    tmp_path: Path, sop_class: str, scu: bool, scp: bool, result: int, answered: tuple[bool, bool] | None
) -> None:
    request = request_bytes([(sop_class, [IMPLICIT_LITTLE])], extra=[role(sop_class, scu=scu, scp=scp)])
    _, reply = agreed(tmp_path, request, services=service_options(*SERVICES))
    assert results(reply) == {1: result}
    roles = [(item.scu_role, item.scp_role) for item in reply.user_information if hasattr(item, "scu_role")]
    assert roles == ([] if answered is None else [answered])
