"""v5r1 and v4r2 wallets through tonutils. See README.md."""

import asyncio
import json
import os
import urllib.request

from ton_core import NetworkGlobalID
from tonutils.clients import ToncenterClient
from tonutils.contracts import WalletV4R2, WalletV5R1

BASE = os.environ.get("FOG_TESTNET", "http://127.0.0.1:8081")


def fund(address: str, nano: int) -> None:
    body = json.dumps({"address": address, "amount": str(nano)}).encode()
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{BASE}/control/fund", body, headers))


async def main() -> None:
    client = ToncenterClient(NetworkGlobalID.TESTNET, api_key="any", base_url=f"{BASE}/api/v2")
    await client.connect()
    assert len(await client.get_config()) > 30
    for contract in (WalletV5R1, WalletV4R2):
        wallet, *_ = contract.create(client)
        fund(wallet.address.to_str(), 3_000_000_000)
        await wallet.transfer(destination="0:" + "42" * 32, amount=500_000_000, body="hello")
        await wallet.refresh()
        assert wallet.state.value == "active" and await wallet.seqno() == 1
        assert 2_400_000_000 < wallet.balance < 2_500_000_000
        assert len(await client.get_transactions(wallet.address.to_str())) == 2
    await client.close()
    print("ok")


asyncio.run(main())
