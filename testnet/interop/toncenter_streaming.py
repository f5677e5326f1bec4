"""Streaming v2 through the `toncenter` package, by server-sent events and WebSocket. See README.md."""

import asyncio

from ton_core import Address
from toncenter.exceptions import ToncenterStatusError
from toncenter.streaming import ToncenterSSE, ToncenterWebSocket
from toncenter.types import Network

from harness import BASE, funded_wallet, rejects, tonutils_client

TARGET = "0:" + "6C" * 32
EVENTS = ("transactions", "actions", "account_states", "traces", "jettons")


async def soon(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def stop(stream, running) -> None:
    await stream.stop()
    # Its reader of server-sent events waits for one more line otherwise.
    running.cancel()
    await asyncio.wait([running], timeout=20)
    assert running.done()


async def follow(transport, client) -> None:
    """Everything that one transfer causes, and nothing of what others do."""
    wallet, other = funded_wallet(client), funded_wallet(client)
    await wallet.transfer(TARGET, 1, body="deploy")
    message = await wallet.transfer(TARGET, 2, body="before")
    got = {name: [] for name in EVENTS}
    stream = transport("any", Network.TESTNET, base_url=BASE)
    for name in EVENTS:
        getattr(stream, f"on_{name}")(got[name].append)
    raw = wallet.address.to_str(is_user_friendly=False).upper()
    norm = message.normalized_hash
    running = asyncio.create_task(
        stream.start([wallet.address.to_str()], trace_external_hash_norms=[norm],
                     include_address_book=True)
    )  # fmt: skip
    await stream.wait_subscribed(20)
    await other.transfer(TARGET, 77, body="not ours")
    await wallet.transfer(TARGET, 3_000, body="hello")
    await soon(lambda: got["account_states"])
    await wallet.refresh()
    (event,) = got["transactions"]
    (tx,) = event.transactions
    assert event.is_finalized and tx["account"] == raw
    assert tx["out_msgs"][0]["message_content"]["decoded"]["comment"] == "hello"
    assert Address(event.address_book[raw]["user_friendly"]) == wallet.address
    (event,) = got["actions"]
    (action,) = event.actions
    assert action["type"] == "ton_transfer" and action["details"]["value"] == "3000"
    (event,) = got["account_states"]
    assert event.account == raw and event.state.balance == str(wallet.balance)
    assert event.state.account_status == "active"
    assert got["traces"] == got["jettons"] == [], "what was before is not told"

    if transport is ToncenterWebSocket:
        await stream.dynamic_subscribe(addresses=[TARGET], types=["transactions"])
        await wallet.transfer(TARGET, 5, body="again")
        await soon(lambda: len(got["transactions"]) == 2)
        assert got["transactions"][1].transactions[0]["account"] == TARGET
        await stream.dynamic_unsubscribe(addresses=[TARGET])
        await wallet.transfer(TARGET, 6, body="unheard")
        await stream.dynamic_subscribe(addresses=[raw], types=["transactions"])
        await wallet.transfer(TARGET, 7, body="heard")
        await soon(lambda: len(got["transactions"]) >= 3)
        assert got["transactions"][-1].transactions[0]["account"] == raw
    await stop(stream, running)


async def a_trace(transport, client) -> None:
    """A message is known before it is sent, and so is its trace."""
    from tonutils.contracts import TONTransferBuilder

    wallet = funded_wallet(client)
    transfer = await TONTransferBuilder(destination=TARGET, amount=9, body="traced").build(wallet)
    message = await wallet.build_external_message([transfer])
    got = []
    stream = transport("any", Network.TESTNET, base_url=BASE)
    stream.on_traces(got.append, min_finality="pending")
    norm = message.normalized_hash
    running = asyncio.create_task(stream.start(trace_external_hash_norms=[norm]))
    await stream.wait_subscribed(20)
    await client.send_message(message.as_hex)
    await soon(lambda: got)
    (event,) = got
    assert len(event.transactions) == 2 and len(event.trace["children"]) == 1
    assert event.trace["tx_hash"] in event.transactions
    assert event.actions[0]["details"]["comment"] == "traced"
    await stop(stream, running)


async def refusals() -> None:
    stream = ToncenterSSE("any", Network.TESTNET, base_url=BASE)
    stream.on_transactions(print)
    try:
        await stream.start(["nonsense"])
    except ToncenterStatusError as error:
        rejects(400, error)
    else:
        raise AssertionError("an address that is none")


async def main() -> None:
    client = tonutils_client()
    await client.connect()
    for transport in (ToncenterSSE, ToncenterWebSocket):
        await follow(transport, client)
        await a_trace(transport, client)
    await refusals()
    await client.close()
    print("ok")


asyncio.run(main())
