"""Every v2 method of the `toncenter` package; its models validate the answers. See README.md."""

import asyncio
import base64
import inspect

from ton_core import Address, begin_cell
from toncenter.exceptions import ToncenterStatusError
from toncenter.rest import ToncenterRestClient
from tonutils.contracts import TONTransferBuilder

from harness import BASE, funded_wallet, rejects, tonutils_client

TARGET = "0:" + "42" * 32
# The dialect has them; this chain has no validators and no proofs.
NOT_SERVED = {
    "get_masterchain_block_signatures": {"seqno": 1},
    "get_shard_block_proof": {"workchain": 0, "shard": "8000000000000000", "seqno": 1},
}
USED: set[str] = set()


class Recorder:
    """A resource that notes which of its methods were called."""

    def __init__(self, resource) -> None:
        self._resource = resource

    def __getattr__(self, name: str):
        USED.add(f"{type(self._resource).__name__}.{name}")
        return getattr(self._resource, name)


async def refused(status: int, call) -> None:
    try:
        await call
    except ToncenterStatusError as error:
        rejects(status, error)
    else:
        raise AssertionError(f"{status} expected")


async def blocks_and_history(v2, wallet) -> None:
    blocks, history = Recorder(v2.blocks), Recorder(v2.transactions)
    us = wallet.address.to_str()
    info = await blocks.get_masterchain_info()
    (shard,) = (await blocks.get_shards(info.last.seqno)).shards
    assert (shard.workchain, shard.seqno) == (0, info.last.seqno)
    rows = await history.get_transactions(us)
    std = (await history.get_transactions_std(us)).transactions
    assert [row.transaction_id for row in std] == [row.transaction_id for row in rows]
    out = next(row for row in rows if row.out_msgs).out_msgs[0]
    ends = (out.source, out.destination, out.created_lt)
    assert (await blocks.get_consensus_block()).consensus_block >= info.last.seqno
    by_seqno = await blocks.lookup_block(0, shard.shard, seqno=shard.seqno)
    assert by_seqno.root_hash == shard.root_hash
    by_lt = await blocks.lookup_block(0, shard.shard, lt=rows[0].transaction_id.lt)
    header = await blocks.get_block_header(0, shard.shard, by_lt.seqno)
    assert int(header.start_lt) < int(rows[0].transaction_id.lt) <= int(header.end_lt)
    await blocks.get_out_msg_queue_size()
    short = await history.get_block_transactions(0, shard.shard, by_lt.seqno)
    full = await history.get_block_transactions_ext(0, shard.shard, by_lt.seqno)
    assert [tx.lt for tx in short.transactions] == [tx.transaction_id.lt for tx in full.transactions]
    received = await history.try_locate_tx(*ends)
    assert received == await history.try_locate_result_tx(*ends)
    assert received.in_msg.hash == out.hash
    sender = await history.try_locate_source_tx(*ends)
    assert out.hash in [message.hash for message in sender.out_msgs]
    for name, arguments in NOT_SERVED.items():
        await refused(404, getattr(blocks, name)(**arguments))


async def accounts_and_methods(v2, wallet) -> None:
    accounts, runs = Recorder(v2.accounts), Recorder(v2.runmethod)
    us = wallet.address.to_str()
    for address in (us, TARGET):
        info = await accounts.get_address_information(address)
        assert str(info.balance) == str(await accounts.get_address_balance(address))
        await accounts.get_extended_address_information(address)
        assert await accounts.get_address_state(address) == info.state
        told = await accounts.get_wallet_information(address)
        assert told.wallet == (address == us)
    await refused(409, accounts.get_token_data(us))
    result = await runs.run_get_method(us, "seqno")
    assert result.stack == [["num", "0x2"]] and result.exit_code == 0
    result = await runs.run_get_method_std(us, "seqno")
    assert result.stack[0].number.number == "2"
    configuration = Recorder(v2.configuration)
    await configuration.get_config_param(19)
    await configuration.get_config_all()
    assert (await configuration.get_libraries(["00" * 32])).result == []


async def words(v2, wallet) -> None:
    utils, rpc = Recorder(v2.utils), Recorder(v2.rpc)
    us = wallet.address
    detected = await utils.detect_address(us.to_str())
    assert Address(detected.raw_form) == us and detected.given_type.startswith("friendly")
    assert Address(await utils.pack_address(detected.raw_form)) == us
    assert await utils.unpack_address(us.to_str()) == detected.raw_form
    assert (await utils.detect_hash("00" * 32)).hex == "00" * 32
    balance = await rpc.json_rpc("getAddressBalance", params={"address": us.to_str()})
    assert int(balance["result"] if isinstance(balance, dict) else balance) > 0


async def sending(v2, client, wallet) -> None:
    sends = Recorder(v2.send)
    us = wallet.address.to_str()
    for number, send in enumerate((sends.send_boc, sends.send_boc_return_hash)):
        transfer = TONTransferBuilder(destination=TARGET, amount=5, body=f"number {number}")
        message = await wallet.build_external_message([await transfer.build(wallet)])
        body = base64.b64encode(message.body.to_boc()).decode()
        fees = await sends.estimate_fee(us, body)
        assert fees.source_fees.gas_fee > 0
        answer = await send(base64.b64encode(message.to_boc()).decode())
        if number == 1:
            assert base64.b64decode(answer.hash)
            await refused(406, send(base64.b64encode(message.to_boc()).decode()))
    empty = begin_cell().end_cell().to_boc()
    await refused(422, sends.send_boc(base64.b64encode(empty).decode()))


async def main() -> None:
    client = tonutils_client()
    await client.connect()
    wallet = funded_wallet(client)
    for text in ("deploy", "hello"):
        await wallet.transfer(TARGET, 1_000, body=text)
    async with ToncenterRestClient("any", base_url=BASE, rps_limit=0) as rest:
        v2 = rest.v2
        await blocks_and_history(v2, wallet)
        await accounts_and_methods(v2, wallet)
        await words(v2, wallet)
        await sending(v2, client, wallet)
        faces = (v2.accounts, v2.blocks, v2.configuration, v2.rpc, v2.runmethod, v2.send)
        for face in (*faces, v2.transactions, v2.utils):
            for name, _ in inspect.getmembers(type(face), inspect.iscoroutinefunction):
                used = f"{type(face).__name__}.{name}" in USED
                assert name.startswith("_") or used, name
    await client.close()
    print("ok")


asyncio.run(main())
