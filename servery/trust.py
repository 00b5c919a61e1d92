"""Whom a client trusts, and what it shows: TLS as callers ask for it."""

import ssl
from dataclasses import dataclass
from os import PathLike

from servery.errors import InvalidInput

File = str | PathLike[str]


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose word is taken for who a service is, and what a caller is known by.

    Attributes:
        ca: A file of certificates in PEM, one of which has signed the service's; None:
            those that the system trusts.
        certificate: A file with the caller's own and its key, in PEM, for a service
            that asks for one.
    """

    ca: File | None = None
    certificate: File | None = None

    def context(self) -> ssl.SSLContext:
        """The same as connections need it.

        Raises:
            InvalidInput: A file is missing, or is not what it should be.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:  # ssl.SSLError too
            raise InvalidInput(
                f"ca: {self.ca}: expected certificates in PEM: {_reason(error)}"
            ) from error
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate)
            except OSError as error:
                raise InvalidInput(
                    f"certificate: {self.certificate}: expected a certificate and its "
                    f"key in PEM: {_reason(error)}"
                ) from error
        return context


def _reason(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or str(error)
