"""Certificates for workers with TLS: good ones, and those that nobody should trust."""

from __future__ import annotations

import datetime
import ipaddress
import warnings
from pathlib import Path
from typing import Tuple

from attrs import define

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its last release for Python 3.8 says that it is the last
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

__all__ = ["Authority", "Certificate"]

_DAY = datetime.timedelta(days=1)


@define(frozen=True)
class Certificate:
    """A certificate and its key, in files."""

    cert: str
    key: str


class Authority:
    """Signs certificates, into a folder.

    Parameters
    ----------
    folder:
        Where the files go; ``ca`` is the authority's own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {folder.name}")])
        builder = self._builder(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None), valid=True)
        self.ca = str(folder / "ca.pem")
        _write(self.ca, builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def certificate(self, host: str, valid: bool = True) -> Certificate:
        """For a host; ``valid=False``: one that has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]),
            key,
            x509.BasicConstraints(ca=False, path_length=None),
            valid,
        )
        try:
            name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
        stem = f"{host}-{'valid' if valid else 'expired'}"
        made = Certificate(str(self._folder / f"{stem}.pem"), str(self._folder / f"{stem}.key"))
        _write(made.cert, builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        _write(made.key, _pem(key))
        return made

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, constraints: x509.BasicConstraints, valid: bool
    ) -> x509.CertificateBuilder:
        begin, end = _dates(valid)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(constraints, critical=True)
            # Python 3.13 trusts none without these three.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(_use(signs=constraints.ca), critical=True)
        )


def _use(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _dates(valid: bool) -> Tuple[datetime.datetime, datetime.datetime]:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now - _DAY, now + _DAY) if valid else (now - 3 * _DAY, now - _DAY)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
