"""Who may do what: service accounts of Google, the service that gives tokens for their keys, sessions of S3."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Dict
from urllib.parse import parse_qs

from tests.faults import Reply, Request
from tests.servers import S3Server

__all__ = ["account_of", "assumed", "service_account", "tokens_of_accounts"]


def service_account(name: str, token_uri: str, file: Path) -> str:
    """Where the key of a service account is."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key = rsa.generate_private_key(65537, 2048).private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    account = {"type": "service_account", "project_id": "test", "client_email": name, "private_key": key.decode()}
    file.write_text(json.dumps({**account, "private_key_id": "1", "token_uri": token_uri}))
    return str(file)


def account_of(signed: str) -> str:
    """Whose a token is that was signed with the key of a service account."""
    said = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
    return str(said["iss"])


def tokens_of_accounts(request: Request) -> Reply:
    """A token service: one account is gone, the others have tokens of their names."""
    account = account_of(parse_qs(request.body.decode())["assertion"][0])
    said = {"access_token": f"token-of-{account}", "expires_in": 3600, "token_type": "Bearer"}
    gone = account == "gone"
    return Reply(400 if gone else 200, json.dumps({"error": "invalid_grant"} if gone else said).encode())


def assumed(server: S3Server) -> Dict[str, str]:
    """Temporary credentials, of the server itself."""
    from botocore.session import Session

    known = {"aws_access_key_id": server.key, "aws_secret_access_key": server.secret, "region_name": "us-east-1"}
    client = Session().create_client("sts", endpoint_url=server.endpoint, **known)
    said = client.assume_role(RoleArn="arn:aws:iam::1:role/any", RoleSessionName="test", DurationSeconds=900)
    found: Dict[str, str] = said["Credentials"]
    return found
