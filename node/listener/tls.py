"""DICOM TLS.

References
----------
DICOM PS3.15 B.9 to B.12 (BCP 195 profiles), RFC 9325.
"""

from __future__ import annotations

import ssl

from node.listener.errors import TlsUnusable
from node.listener.options import TlsFiles

# Forward secrecy and authenticated encryption only. TLS 1.3 suites are not chosen here: all of them qualify.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """The context for accepted connections; with `ca`, callers must show a certificate.

    Raises
    ------
    TlsUnusable
        A file cannot be read, or certificate and key do not fit together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.load_cert_chain(files.cert, files.key, password=_no_password)
        if files.ca is not None:
            context.load_verify_locations(files.ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError, ValueError) as error:
        raise TlsUnusable(
            f"listener.tls cannot be used ({error.__class__.__name__}): check that cert and key are PEM files that "
            "belong together, that the key has no password, and that ca holds certificates"
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key asks for a password")
