"""Who may store by STOW-RS, and see work items."""

from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from node.api.callers import check_caller
from node.config import Http


def request_from(address: str) -> Request:
    return Request({"type": "http", "client": (address, 40000), "headers": []})


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3", "fd00::7"])
def test_caller__this_machine_or_listed_also_as_a_mapped_address__may(address: str) -> None:
    check_caller(request_from(address), Http.model_validate({"allow": ["10.1.0.0/16", "fd00::/8"]}))


@pytest.mark.parametrize("address", ["10.2.0.1", "::ffff:10.2.0.1", "fe80::1%eth0"])
def test_caller__anybody_else__may_not(address: str) -> None:
    with pytest.raises(HTTPException, match=r"http\.allow"):
        check_caller(request_from(address), Http.model_validate({"allow": ["10.1.0.0/16"]}))
