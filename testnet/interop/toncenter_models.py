"""Every answer, validated by the models of the `toncenter` package. See README.md."""

import asyncio
import json
import os
import urllib.request

from toncenter.rest import ToncenterRestClient

BASE = os.environ.get("FOG_TESTNET", "http://127.0.0.1:8081")
TARGET = "0:" + "42" * 32


def call(path: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(BASE + path, data, headers)) as answer:
        return json.load(answer)["result"]


async def main() -> None:
    call("/control/fund", {"address": TARGET, "amount": "1000000"})
    faucet = call("/control/status")["faucet"]
    async with ToncenterRestClient("any", base_url=BASE, rps_limit=0) as client:
        client = client.v2
        blocks, accounts, history = client.blocks, client.accounts, client.transactions
        info = await blocks.get_masterchain_info()
        (shard,) = (await blocks.get_shards(info.last.seqno)).shards
        rows = await history.get_transactions(faucet)
        out = next(row for row in rows if row.out_msgs).out_msgs[0]
        ends = (out.source, out.destination, out.created_lt)
        await blocks.get_consensus_block()
        await blocks.lookup_block(0, shard.shard, seqno=shard.seqno)
        await blocks.lookup_block(0, shard.shard, lt=rows[0].transaction_id.lt)
        await blocks.get_block_header(0, shard.shard, shard.seqno)
        await blocks.get_out_msg_queue_size()
        await client.configuration.get_config_param(19)
        await client.configuration.get_config_all()
        await client.configuration.get_libraries(["00" * 32])
        for address in (faucet, TARGET):
            await accounts.get_address_information(address)
            await accounts.get_extended_address_information(address)
            await accounts.get_wallet_information(address)
            await accounts.get_address_balance(address)
            await accounts.get_address_state(address)
        await history.get_transactions_std(faucet)
        await history.get_block_transactions(0, shard.shard, shard.seqno)
        await history.get_block_transactions_ext(0, shard.shard, shard.seqno)
        await history.try_locate_tx(*ends)
        await history.try_locate_result_tx(*ends)
        await history.try_locate_source_tx(*ends)
    print("ok")


asyncio.run(main())
