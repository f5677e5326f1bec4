"""A jetton and an NFT collection through tonutils, and what the dialect tells of them. See README.md."""

import asyncio

from ton_core import (
    CONTRACT_CODES,
    Address,
    Cell,
    ContractVersion,
    JettonInternalTransferBody,
    JettonMasterStandardData,
    JettonStandardMintBody,
    NFTCollectionContent,
    NFTCollectionData,
    NFTItemStandardMintRef,
    OffchainCommonContent,
    OffchainContent,
    OffchainItemContent,
    OnchainContent,
    RoyaltyParams,
    begin_cell,
)
from toncenter.rest import ToncenterRestClient
from tonutils.contracts import (
    JettonMasterStandard,
    JettonTransferBuilder,
    NFTCollectionStandard,
)
from tonutils.contracts import get_wallet_address_get_method, get_wallet_data_get_method
from tonutils.exceptions import ProviderResponseError

from harness import BASE, funded_wallet, rejects, tonutils_client

SUPPLY = 1_000_000
SENT = 250_000
FRIEND = "0:" + "37" * 32


async def jetton(client, wallet, rest) -> None:
    """Mints, transfers, and asks every way there is."""
    code = Cell.one_from_boc(CONTRACT_CODES[ContractVersion.JettonWalletStandard])
    content = OnchainContent({"name": "Fog", "symbol": "FOG", "decimals": "9"})
    data = JettonMasterStandardData(wallet.address, content, code)
    master = JettonMasterStandard.from_data(client, data.serialize())
    mint = JettonStandardMintBody(
        destination=wallet.address,
        internal_transfer=JettonInternalTransferBody(
            jetton_amount=SUPPLY, forward_amount=1, response_address=wallet.address
        ),
        forward_amount=100_000_000,
    )
    await wallet.transfer(
        master.address, 200_000_000, body=mint.serialize(), state_init=master.state_init
    )
    await master.refresh()
    assert master.is_active and master.total_supply == SUPPLY

    ours = await get_wallet_address_get_method(client, master.address, wallet.address)
    computed = JettonMasterStandard.calculate_user_jetton_wallet_address(
        wallet.address, master.address, code
    )
    assert ours == computed
    await wallet.transfer_message(
        JettonTransferBuilder(
            destination=FRIEND,
            jetton_amount=SENT,
            jetton_wallet_address=ours,
            response_address=wallet.address,
            amount=100_000_000,
        )
    )
    balance, owner, *_ = await get_wallet_data_get_method(client, ours)
    assert (balance, owner) == (SUPPLY - SENT, wallet.address)

    told = await rest.v2.accounts.get_token_data(master.address.to_str())
    assert told.contract_type == "jetton_master" and told.total_supply == str(SUPPLY)
    assert told.jetton_content.type == "onchain"
    assert told.jetton_content.data == {"name": "Fog", "symbol": "FOG", "decimals": "9"}
    assert Address(told.admin_address) == wallet.address and told.mintable
    told = await rest.v2.accounts.get_token_data(ours.to_str())
    assert told.contract_type == "jetton_wallet" and told.balance == str(SUPPLY - SENT)
    assert Address(told.jetton) == master.address

    (row,) = (await rest.v3.jettons.get_jetton_masters([master.address.to_str()])).jetton_masters
    assert row.total_supply == str(SUPPLY) and row.jetton_content["symbol"] == "FOG"
    (row,) = (
        await rest.v3.jettons.get_jetton_wallets(
            owner_address=[FRIEND], jetton_address=[master.address.to_str()]
        )
    ).jetton_wallets
    assert row.balance == str(SENT) and Address(row.owner) == Address(FRIEND)


async def collection(client, wallet, rest) -> None:
    """A collection with one item."""
    code = Cell.one_from_boc(CONTRACT_CODES[ContractVersion.NFTItemStandard])
    content = NFTCollectionContent(
        OffchainContent("ipfs://fog/collection.json"), OffchainCommonContent("ipfs://fog/")
    )
    royalty = RoyaltyParams(5, 100, wallet.address)
    data = NFTCollectionData(wallet.address, content, royalty, code)
    nfts = NFTCollectionStandard.from_data(client, data.serialize())
    item = NFTItemStandardMintRef(wallet.address, OffchainItemContent("0.json")).serialize()
    body = begin_cell().store_uint(1, 32).store_uint(0, 64).store_uint(0, 64)
    body = body.store_coins(50_000_000).store_ref(item).end_cell()
    await wallet.transfer(nfts.address, 200_000_000, body=body, state_init=nfts.state_init)
    told = await rest.v2.accounts.get_token_data(nfts.address.to_str())
    assert told.contract_type == "nft_collection" and told.next_item_index == "1"
    assert told.collection_content.data == "ipfs://fog/collection.json"
    address = NFTCollectionStandard.calculate_nft_item_address(0, code, nfts.address)
    told = await rest.v2.accounts.get_token_data(address.to_str())
    assert told.contract_type == "nft_item" and told.index == "0" and told.init
    assert Address(told.collection_address) == nfts.address
    assert Address(told.owner_address) == wallet.address


async def wallets(client, wallet, rest) -> None:
    """Reading a wallet's history in pages, and refusals."""
    for number in range(3):
        await wallet.transfer(FRIEND, 1_000 + number, body=f"number {number}")
    address = wallet.address.to_str()
    everything = await client.get_transactions(address)
    assert len(everything) >= 6
    newest = await client.get_transactions(address, limit=2)
    assert [tx.lt for tx in newest] == [tx.lt for tx in everything[:2]]
    older = await client.get_transactions(address, from_lt=everything[2].lt)
    assert [tx.lt for tx in older] == [tx.lt for tx in everything[2:]]
    newer = await client.get_transactions(address, to_lt=everything[2].lt)
    assert [tx.lt for tx in newer] == [tx.lt for tx in everything[:2]]
    assert await wallet.is_signature_allowed()
    await wallet.get_public_key()
    info = await client.get_info(FRIEND)
    assert info.state.value == "uninit" and info.balance > 2_900
    nowhere = await client.get_info("0:" + "99" * 32)
    assert nowhere.state.value == "nonexist"
    try:
        await client.send_message(begin_cell().end_cell().to_boc().hex())
        raise AssertionError("an empty cell is no message")
    except ProviderResponseError as error:
        rejects(422, error)


async def main() -> None:
    client = tonutils_client()
    await client.connect()
    wallet = funded_wallet(client)
    async with ToncenterRestClient("any", base_url=BASE, rps_limit=0) as rest:
        await jetton(client, wallet, rest)
        await collection(client, wallet, rest)
        await wallets(client, wallet, rest)
    await client.close()
    print("ok")


asyncio.run(main())
