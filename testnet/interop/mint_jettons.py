"""Jettons for a test: deploys three through tonutils and mints for an owner. See README.md.

mint_jettons.py OWNER FILE: writes their masters to FILE. The first says on chain that it is called TST
and has six decimals; the second keeps what it says of itself off chain; the third is governed, as
stablecoins are, and says on chain that it has nine.
"""

import asyncio
import json
import pathlib
import sys

from ton_core import (
    CONTRACT_CODES,
    Address,
    Cell,
    ContractVersion,
    JettonInternalTransferBody,
    JettonMasterStablecoinData,
    JettonMasterStandardData,
    JettonMintBody,
    JettonStandardMintBody,
    JettonTopUpBody,
    OffchainContent,
    OnchainContent,
)
from tonutils.contracts import JettonMasterStablecoinV2, JettonMasterStandard

from harness import funded_wallet, tonutils_client

SUPPLY = 1_000_000_000


def code(version: ContractVersion) -> Cell:
    return Cell.one_from_boc(CONTRACT_CODES[version])


async def main(owner: Address, out: pathlib.Path) -> None:
    client = tonutils_client()
    await client.connect()
    wallet = funded_wallet(client)
    content = OffchainContent("https://example.org/jetton.json")
    transfer = JettonInternalTransferBody(
        jetton_amount=SUPPLY, forward_amount=1, response_address=wallet.address
    )
    mint = {"destination": owner, "internal_transfer": transfer, "forward_amount": 100_000_000}
    governed = JettonMasterStablecoinV2.from_data(
        client,
        JettonMasterStablecoinData(
            wallet.address, code(ContractVersion.JettonWalletStablecoinV2), content
        ).serialize(),
    )
    wallet_code = code(ContractVersion.JettonWalletStandard)
    told = OnchainContent({"name": "Test", "symbol": "TST", "decimals": "6"})
    standards = [
        JettonMasterStandard.from_data(
            client, JettonMasterStandardData(wallet.address, content, wallet_code).serialize()
        )
        for content in (told, content)
    ]
    await wallet.transfer(
        governed.address,
        300_000_000,
        body=JettonTopUpBody().serialize(),
        state_init=governed.state_init,
    )
    await wallet.transfer(governed.address, 300_000_000, body=JettonMintBody(**mint).serialize())
    for standard in standards:
        await wallet.transfer(
            standard.address,
            300_000_000,
            body=JettonStandardMintBody(**mint).serialize(),
            state_init=standard.state_init,
        )
    masters = [*standards, governed]
    for master in masters:
        await master.refresh()
        assert master.is_active and master.total_supply == SUPPLY
    named = [master.address.to_str(is_user_friendly=False) for master in masters]
    out.write_text(json.dumps(named))
    await client.close()
    print("ok")


asyncio.run(main(Address(sys.argv[1]), pathlib.Path(sys.argv[2])))
