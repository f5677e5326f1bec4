"""The v3 routes through the `toncenter` package: values, not shapes alone. See README.md."""

import asyncio
import base64
import inspect

from toncenter.exceptions import ToncenterStatusError
from toncenter.rest import ToncenterRestClient
from toncenter.rest.v3.models import (
    DecodeRequest,
    V2EstimateFeeRequest,
    V2RunGetMethodRequest,
    V2SendMessageRequest,
    V2StackEntity,
)
from ton_core import Address, begin_cell
from tonutils.contracts.wallet.messages import TONTransferBuilder

from harness import BASE, funded_wallet, rejects, tonutils_client

TARGET = "0:" + "5A" * 32
# Not served: nobody indexes this here.
NOT_SERVED = {
    "get_jetton_burns", "get_jetton_transfers", "get_nft_collections", "get_nft_items",
    "get_nft_sales", "get_nft_transfers", "get_dns_records", "get_multisig_orders",
    "get_multisig_wallets", "get_vesting_contracts",
}  # fmt: skip
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


async def blocks_and_transactions(v3, wallet) -> None:
    chain = Recorder(v3.blockchain)
    info = await chain.get_masterchain_info()
    assert info.last.workchain == -1 and info.first.seqno == 0
    last = info.last.seqno
    us = wallet.address.to_str()
    raw = wallet.address.to_str(is_user_friendly=False).upper()

    everything = (await chain.get_transactions(account=[us], limit=100)).transactions
    lts = [int(tx.lt) for tx in everything]
    assert len(lts) == 5 and lts == sorted(lts, reverse=True)
    assert all(tx.account == raw and tx.finality == "finalized" for tx in everything)
    upward = (await chain.get_transactions(account=[us], limit=100, sort="asc")).transactions
    assert [int(tx.lt) for tx in upward] == lts[::-1]
    paged = []
    for offset in range(0, 6, 2):
        page = await chain.get_transactions(account=[us], limit=2, offset=offset)
        paged += [int(tx.lt) for tx in page.transactions]
    assert paged == lts
    bounded = await chain.get_transactions(account=[us], start_lt=lts[3], end_lt=lts[1])
    assert [int(tx.lt) for tx in bounded.transactions] == lts[1:4]

    newest = everything[0]
    (same,) = (await chain.get_transactions(hash=newest.hash)).transactions
    assert same == newest
    assert newest.orig_status == newest.end_status == "active"
    assert newest.description.type == "ord" and newest.description.compute_ph.exit_code == 0
    assert int(newest.description.compute_ph.gas_used) > 0
    assert newest.description.action.msgs_created == len(newest.out_msgs) == 1
    assert newest.account_state_after.balance == str(wallet.balance)
    assert newest.in_msg.source is None and newest.in_msg.value is None
    message = newest.out_msgs[0]
    assert message.source == raw and message.destination == TARGET
    assert message.message_content.decoded["comment"] == "third" and message.opcode == "0x00000000"
    book = (await chain.get_transactions(hash=newest.hash)).address_book.root
    assert Address(book[TARGET].user_friendly) == Address(TARGET)
    assert book[raw].interfaces == ["wallet_v5r1"]

    seqno = newest.mc_block_seqno
    found = await chain.get_transactions_by_masterchain_block(seqno)
    assert newest.hash in [tx.hash for tx in found.transactions]
    found = await chain.get_transactions(workchain=0, shard="8000000000000000", seqno=seqno)
    assert newest.hash in [tx.hash for tx in found.transactions]
    recent = (await chain.get_transactions(limit=3)).transactions
    assert recent[0].account == TARGET and recent[1].hash == newest.hash
    sides = (await chain.get_transactions_by_message(msg_hash=message.hash)).transactions
    assert {tx.account for tx in sides} == {raw, TARGET}
    (inner,) = (
        await chain.get_transactions_by_message(msg_hash=message.hash, direction="in")
    ).transactions
    assert inner.account == TARGET and inner.trace_id == newest.trace_id == newest.hash
    (child,) = (await chain.get_adjacent_transactions(newest.hash, "out")).transactions
    (parent,) = (await chain.get_adjacent_transactions(inner.hash, "in")).transactions
    assert (child.hash, parent.hash) == (inner.hash, newest.hash)

    (row,) = (await chain.get_messages(msg_hash=[message.hash])).messages
    assert (row.in_msg_tx_hash, row.out_msg_tx_hash) == (inner.hash, newest.hash)
    assert row.value == message.value == "3000"
    rows = (await chain.get_messages(source=us, destination=TARGET)).messages
    assert [row.value for row in rows] == ["3000", "2000", "1000"]
    (order,) = (await chain.get_messages(source="null", destination=us, limit=1)).messages
    assert order.hash == newest.in_msg.hash and order.hash_norm
    rows = (await chain.get_messages(destination=us, only_externals=True)).messages
    assert len(rows) == 4
    rows = (await chain.get_messages(opcode="0x00000000", source=us)).messages
    assert len(rows) == 4
    rows = (await chain.get_messages(direction="in", destination=us)).messages
    assert len(rows) == 5

    (block,) = (await chain.get_blocks(workchain=0, seqno=seqno)).blocks
    assert block.shard == "8000000000000000" and block.tx_count >= 1
    assert (await chain.get_blocks(root_hash=block.root_hash)).blocks == [block]
    assert block in (await chain.get_masterchain_block_shard_state(seqno)).blocks
    assert (await chain.get_masterchain_block_shards(seqno)).blocks == [block]
    assert (await chain.get_blocks(limit=1, workchain=-1)).blocks[0].seqno >= last
    assert (await chain.get_pending_transactions([us])).transactions == []

    await refused(422, chain.get_transactions(limit=100_000))
    await refused(422, chain.get_transactions(account=["nonsense"]))
    await refused(422, chain.get_transactions(hash="nonsense"))
    await refused(422, chain.get_transactions_by_message())
    await refused(422, chain.get_pending_transactions())
    await refused(404, chain.get_masterchain_block_shards(4_000_000_000))
    await refused(404, chain.get_adjacent_transactions("00" * 32))


async def traces(v3, wallet) -> None:
    actions = Recorder(v3.actions)
    us = wallet.address.to_str()
    found = (await actions.get_traces(account=us, include_actions=True, limit=50)).traces
    assert len(found) == 5
    trace = found[0]
    assert trace.trace_info.trace_state == "complete" and trace.trace_info.transactions == 2
    assert trace.trace.tx_hash == trace.trace_id == trace.transactions_order[0]
    (child,) = trace.trace.children
    assert trace.transactions[child.tx_hash].account == TARGET
    assert trace.transactions[trace.trace_id].in_msg.hash == trace.external_hash
    (action,) = trace.actions
    assert action.type == "ton_transfer" and action.success
    assert action.details["comment"] == "third" and action.details["value"] == "3000"
    for select in (
        {"trace_id": [trace.trace_id]},
        {"tx_hash": [child.tx_hash]},
        {"msg_hash": [trace.external_hash]},
        {"msg_hash": [child.in_msg_hash]},
    ):
        (same,) = (await actions.get_traces(**select)).traces
        assert same.trace_id == trace.trace_id, select
    end = int(trace.mc_seqno_end)
    assert trace.trace_id in [t.trace_id for t in (await actions.get_traces(mc_seqno=end)).traces]
    (one,) = (await actions.get_actions(tx_hash=[child.tx_hash], include_transactions=True)).actions
    assert one.action_id == action.action_id
    assert one.transactions_full[0].hash == child.tx_hash
    deploys = (await actions.get_actions(account=us, action_type=["contract_deploy"])).actions
    assert deploys == [], "the wallet was deployed by its own message"
    transfers = (await actions.get_actions(account=us, exclude_action_type=["call_contract"])).actions
    assert {action.type for action in transfers} == {"ton_transfer"}
    assert (await actions.get_pending_actions(us)).actions == []
    assert (await actions.get_pending_traces(us)).traces == []
    await refused(404, actions.get_traces(mc_seqno=2_000_000_000))
    await refused(422, actions.get_actions(action_type=["'; drop"]))


async def states(v3, wallet) -> None:
    accounts = Recorder(v3.accounts)
    us = wallet.address.to_str()
    raw = wallet.address.to_str(is_user_friendly=False).upper()
    both = (await accounts.get_account_states([us, TARGET, "0:" + "77" * 32])).accounts
    assert [(row.address, row.status) for row in both] == [(raw, "active"), (TARGET, "uninit")]
    assert both[0].balance == str(wallet.balance) and both[0].code_boc and both[0].data_hash
    (bare,) = (await accounts.get_account_states([us], include_boc=False)).accounts
    assert bare.code_boc is None and bare.code_hash == both[0].code_hash
    ours, other = (await accounts.get_wallet_states([us, TARGET])).wallets
    assert ours.is_wallet and ours.wallet_type == "wallet v5 r1" and ours.seqno == 4
    assert ours.is_signature_allowed and not other.is_wallet
    book = (await accounts.get_address_book([us, TARGET])).root
    assert set(book) == {raw, TARGET}
    assert book[raw].user_friendly.startswith("0Q") and book[TARGET].user_friendly.startswith("0Q")
    assert not (await accounts.get_metadata([us])).root[raw].is_indexed
    await refused(422, accounts.get_account_states([]))
    await refused(422, accounts.get_account_states(["nonsense"]))
    top = await Recorder(v3.stats).get_top_accounts_by_balance(limit=3)
    balances = [int(row.balance) for row in top]
    assert balances == sorted(balances, reverse=True) and balances[0] > 10**18


async def bridge(v3, client, wallet) -> None:
    v2 = Recorder(v3.api_v2)
    us = wallet.address.to_str()
    info = await v2.get_address_information(us)
    assert info.status == "active" and info.balance == str(wallet.balance)
    told = await v2.get_wallet_information(us)
    assert told.seqno == 4 and told.wallet_type == "wallet v5 r1"
    seqno = await v2.run_get_method(V2RunGetMethodRequest(address=us, method="seqno", stack=[]))
    assert (seqno.exit_code, seqno.stack[0].type, seqno.stack[0].value) == (0, "num", "0x4")
    lookup = V2RunGetMethodRequest(
        address=us, method="no_such", stack=[V2StackEntity(type="num", value="0x1")]
    )
    assert (await v2.run_get_method(lookup)).exit_code == 11

    transfer = TONTransferBuilder(destination=TARGET, amount=4_000, body="fourth")
    message = await wallet.build_external_message([await transfer.build(wallet)])
    body = message.body.to_boc()
    fees = await v2.estimate_fee(
        V2EstimateFeeRequest(
            address=us, body=base64.b64encode(body).decode(), init_code="", init_data="",
            ignore_chksig=True,
        )
    )  # fmt: skip
    assert fees.source_fees.gas_fee > 0 and fees.source_fees.in_fwd_fee > 0
    boc = base64.b64encode(message.serialize().to_boc()).decode()
    sent = await v2.send_message(V2SendMessageRequest(boc=boc))
    (trace,) = (await v3.actions.get_traces(msg_hash=[sent.message_hash_norm])).traces
    assert trace.external_hash == sent.message_hash
    await refused(406, v2.send_message(V2SendMessageRequest(boc=boc)))
    await refused(422, v2.send_message(V2SendMessageRequest(boc="AAAA")))
    contract = await v3.accounts.get_account_states([TARGET])
    # All four arrived; storage may have cost a little since.
    assert 9_900 < int(contract.accounts[0].balance) <= 10_000


async def decoding(v3) -> None:
    utils = Recorder(v3.utils)
    comment = begin_cell().store_uint(0, 32).store_string("hello").end_cell().to_boc()
    body = base64.b64encode(comment).decode()
    for answer in (
        await utils.get_decode(opcodes=["0x0"], bodies=[body]),
        await utils.post_decode(DecodeRequest(opcodes=["0x0"], bodies=[body])),
    ):
        assert answer.bodies[0]["comment"] == "hello" and answer.opcodes == ["text_comment"]
    jettons = Recorder(v3.jettons)
    assert (await jettons.get_jetton_masters([TARGET])).jetton_masters == []
    assert (await jettons.get_jetton_wallets([TARGET])).jetton_wallets == []


async def main() -> None:
    client = tonutils_client()
    await client.connect()
    wallet = funded_wallet(client)
    await wallet.transfer(destination="0:" + "5B" * 32, amount=1, body="deploy")
    for amount, text in ((1_000, "first"), (2_000, "second"), (3_000, "third")):
        await wallet.transfer(destination=TARGET, amount=amount, body=text)
    await wallet.refresh()
    async with ToncenterRestClient("any", base_url=BASE, rps_limit=0) as rest:
        v3 = rest.v3
        await blocks_and_transactions(v3, wallet)
        await traces(v3, wallet)
        await states(v3, wallet)
        await bridge(v3, client, wallet)
        await decoding(v3)
        # Every method of the package's v3 face was called, or says that it is not served.
        faces = (v3.accounts, v3.actions, v3.api_v2, v3.blockchain, v3.dns, v3.jettons)
        for face in (*faces, v3.multisig, v3.nfts, v3.stats, v3.utils, v3.vesting):
            for name, method in inspect.getmembers(type(face), inspect.iscoroutinefunction):
                if name.startswith("_"):
                    continue
                if name in NOT_SERVED:
                    await refused(404, getattr(face, name)(**required(method)))
                else:
                    assert f"{type(face).__name__}.{name}" in USED, name
    await client.close()
    print("ok")


def required(method) -> dict:
    """Arguments for what a method insists on."""
    parameters = inspect.signature(method).parameters.values()
    return {p.name: [TARGET] for p in parameters if p.default is p.empty and p.name != "self"}


asyncio.run(main())
