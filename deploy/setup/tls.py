"""The certificate that a server shows, taken as it is: to tell people what is wrong with it."""

import socket
import ssl

from cryptography import x509

from deploy.values.reference import split_host

SECONDS = 5.0


def port_of(registry: str) -> int:
    """The port of a registry's `host[:port]`."""
    _, colon, port = registry.rpartition("]" if registry.endswith("]") else ":")
    return int(port) if colon and port.isdigit() else 443


def shown_by(registry: str) -> x509.Certificate | None:
    """The certificate of a registry, whoever signed it; None when it does not speak TLS, or not at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Nothing is sent to it and nothing believed: whether it is trusted, others decide.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host = split_host(registry)
    try:
        with (
            socket.create_connection((host, port_of(registry)), timeout=SECONDS) as sock,
            context.wrap_socket(sock, server_hostname=host) as wrapped,
        ):
            found = wrapped.getpeercert(binary_form=True)
    except OSError:
        return None
    return x509.load_der_x509_certificate(found) if found else None
