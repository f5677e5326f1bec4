"""What the scripts share: where the server is, its faucet, a funded wallet of `tonutils`."""

import json
import os
import urllib.error
import urllib.request

from ton_core import NetworkGlobalID
from tonutils.clients import ToncenterClient
from tonutils.contracts import WalletV5R1

BASE = os.environ.get("FOG_TESTNET", "http://127.0.0.1:8081")


def post(path: str, body: dict) -> tuple[int, dict]:
    """A POST with a JSON body: its status and what came back."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def fund(address: str, nano: int) -> None:
    status, answer = post("/control/fund", {"address": address, "amount": str(nano)})
    assert status == 200, answer


def tonutils_client() -> ToncenterClient:
    return ToncenterClient(NetworkGlobalID.TESTNET, api_key="any", base_url=f"{BASE}/api/v2")


def funded_wallet(client: ToncenterClient, nano: int = 5_000_000_000) -> WalletV5R1:
    wallet, *_ = WalletV5R1.create(client)
    fund(wallet.address.to_str(), nano)
    return wallet


def rejects(status: int, error: Exception) -> None:
    """The error of a client names the status that the server answered with."""
    assert getattr(error, "status", getattr(error, "code", None)) == status, repr(error)
