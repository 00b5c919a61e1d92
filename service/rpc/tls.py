"""TLS for gRPC, which asks before each handshake whether the certificate is new."""

import grpc

from service.access.certificates import Certificates, Identity


class Shown:
    """What gRPC shows its callers: the identity that is in force.

    Args:
        certificates: Of the process.
    """

    def __init__(self, certificates: Certificates):
        self._certificates, self._last = certificates, certificates.identity

    def credentials(self) -> grpc.ServerCredentials:
        """For a port."""
        first = self._last
        return grpc.dynamic_ssl_server_credentials(
            _configuration(first),
            self._find_next,
            require_client_authentication=first.client_ca is not None,
        )

    def _find_next(self) -> grpc.ServerCertificateConfiguration | None:
        """What holds from now on; None: what did. Called by a thread of gRPC."""
        identity = self._certificates.identity
        if identity is self._last:
            return None
        self._last = identity
        return _configuration(identity)


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    pair = (identity.key, identity.chain)
    return grpc.ssl_server_certificate_configuration([pair], identity.client_ca)
