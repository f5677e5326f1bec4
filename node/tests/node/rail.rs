//! The account rail at a node: attacks, refusals, closing, crashes. The chain is real, so are the
//! contracts; nobody is believed.

use fog_contracts::{
    CHANNEL_END_VALUE, CHANNEL_RENT,
    channel::{self, Channel, ChannelData, ChannelStatus, Purpose},
};
use fog_node::NodeHandle;
use fog_protocol::{
    AccountView, Address, BlobRef, Entry, EntryPage, EntryTree, Hash32, Listing, Nano, Policy,
    Rail, SecretKey, Signed, TaskId, TaskStatus, VoucherFile,
    gateway::{ServerFrame, WorkerFrame},
};
use fog_testnet::chain::Transfer;

use super::{
    faults::{Killable, outbox_reaches},
    worker::{Offered, Worker},
    world::{MODULE, PRICE, World, std, until},
};

/// The requestor's account at a node.
pub(crate) struct Account {
    terms: Channel,
    pub(super) address: Address,
}

impl Account {
    pub(crate) async fn open(world: &World, node: &NodeHandle, amount: Nano, cap: Nano) -> Self {
        let info = world.info(node).await;
        let terms = Channel {
            purpose: Purpose::Account,
            payer: world.requestor.address(),
            payee: info.operator,
            payer_key: world.requestor.key.public(),
            payee_key: info.operator_key.unwrap(),
            cap,
            delay: 600,
            series: 0,
        };
        let account = Self { terms, address: terms.address().unwrap() };
        let body = channel::top_up(1, amount).unwrap();
        let value = amount.saturating_add(CHANNEL_RENT);
        let state = terms.state_init().unwrap();
        send(world, Transfer::deploy(std(&account.address), value.get().into(), state, body)).await;
        account
    }

    async fn on_chain(&self, world: &World) -> ChannelData {
        let account = world.chain.account(std(&self.address)).await.unwrap();
        ChannelData::parse(Purpose::Account, &account.data.unwrap()).unwrap()
    }

    async fn close(&self, world: &World) {
        let body = channel::plain(channel::op::CLOSE, 1).unwrap();
        let value = CHANNEL_END_VALUE.get().into();
        send(world, Transfer::call(std(&self.address), value, body)).await;
    }

    pub(crate) fn listing(&self, world: &World, node: &NodeHandle, salt: u8) -> Listing {
        let rail = Rail::Account { account: self.address };
        Listing {
            rail,
            policy: Policy::Replay { rate_ppm: 1_000_000 },
            ..world.listing(node, INPUT, salt)
        }
    }

    async fn post(&self, world: &World, node: &NodeHandle, salt: u8) -> Result<TaskId, String> {
        assert_eq!(world.upload(node, MODULE).await.status(), 204);
        assert_eq!(world.upload(node, INPUT).await.status(), 204);
        post(world, node, &Signed::new(self.listing(world, node, salt), &world.requestor.key)).await
    }

    pub(crate) async fn view(&self, world: &World, node: &NodeHandle) -> AccountView {
        view(world, node, &self.address).await
    }

    /// A voucher for all that the node says is owed, signed by `key`.
    async fn voucher(&self, world: &World, node: &NodeHandle, key: &SecretKey) -> VoucherFile {
        let url = format!("{}/v1/accounts/{}/entries", node.url(), self.address);
        let page: EntryPage = world.http.get(url).send().await.unwrap().json().await.unwrap();
        let entries: Vec<Entry> = page.entries.into_iter().map(|view| view.entry).collect();
        let tree = EntryTree::of(entries).unwrap();
        let until = u32::try_from(time(world).await).unwrap() + 30 * 24 * 3600;
        signed(&self.terms, VoucherFile::of(-3, self.address, &tree, until), key)
    }
}

pub(crate) const INPUT: &[u8] = b"many small tasks between the same two";

fn signed(terms: &Channel, file: VoucherFile, key: &SecretKey) -> VoucherFile {
    let voucher = fog_contracts::rail::voucher_of(&file);
    let payer = Some(voucher.sign(-3, terms, key).unwrap());
    VoucherFile { payer, ..file }
}

async fn send(world: &World, transfer: Transfer) {
    let treasury = world.requestor.treasury.clone();
    world.chain.with(move |chain| chain.send_from(&treasury, &transfer)).await.unwrap().unwrap();
}

async fn time(world: &World) -> u64 {
    u64::from(world.chain.with(|chain| chain.now()).await.unwrap())
}

pub(crate) async fn post(
    world: &World,
    node: &NodeHandle,
    listing: &Signed<Listing>,
) -> Result<TaskId, String> {
    let answer = world.http.post(format!("{}/v1/tasks", node.url())).json(listing).send().await;
    let answer = answer.unwrap();
    let status = answer.status().as_u16();
    let body: serde_json::Value = answer.json().await.unwrap();
    if status == 200 {
        return Ok(listing.value.id());
    }
    Err(format!("{status} {}", body["code"].as_str().unwrap()))
}

pub(crate) async fn view(world: &World, node: &NodeHandle, address: &Address) -> AccountView {
    let url = format!("{}/v1/accounts/{address}", node.url());
    world.http.get(url).send().await.unwrap().json().await.unwrap()
}

async fn vouch(world: &World, node: &NodeHandle, file: &VoucherFile) -> (u16, String) {
    let url = format!("{}/v1/accounts/{}/voucher", node.url(), file.channel);
    let answer = world.http.post(url).json(file).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Takes an offer once the earnings it names are open, and wins it.
async fn win(world: &World, node: &NodeHandle, worker: &mut Worker) -> (Offered, Address) {
    let (offered, earnings) = worker
        .wait(|frame| match frame {
            ServerFrame::Offer { listing, escrow, reserve_at_cap, earnings, .. } => {
                let offered = Offered { listing: *listing, escrow, reserve: reserve_at_cap };
                Some((offered, earnings.unwrap()))
            }
            _ => None,
        })
        .await;
    assert_eq!(offered.reserve, Nano::ZERO, "no stake is asked for");
    until("the worker's earnings", || async {
        (view(world, node, &earnings).await.room >= PRICE).then_some(())
    })
    .await;
    let valid_until = worker.time().await + 300;
    let bid = worker.bid(&offered, offered.listing.price_cap, valid_until);
    worker.say(&WorkerFrame::Bid { bid }).await;
    let id = offered.listing.id();
    worker
        .wait(|frame| match frame {
            ServerFrame::Assigned { task, .. } if task == id => Some(()),
            ServerFrame::Lost { reason, .. } => panic!("lost: {reason}"),
            ServerFrame::Error { code, message, .. } => panic!("{code}: {message}"),
            _ => None,
        })
        .await;
    (offered, earnings)
}

/// A task from post to its end.
async fn paid(world: &World, node: &NodeHandle, account: &Account, worker: &mut Worker, salt: u8) {
    let task = account.post(world, node, salt).await.unwrap();
    let (offered, _) = win(world, node, worker).await;
    worker.work(world, node, &offered, |_| {}).await;
    world.reaches(node, &task, TaskStatus::Paid).await;
}

pub(crate) async fn stopped(node: NodeHandle) {
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_vouch_gets_no_further_than_the_cap_and_forged_vouchers_buy_nothing() {
    let mut world = World::new(1).await;
    world.node_config.rail.earnings_deposit = Nano::grams(10);
    world.node_config.rail.earnings_cap = Nano::grams(10);
    let node = world.node().await;
    let account = Account::open(&world, &node, Nano::grams(3), Nano::grams(2)).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    paid(&world, &node, &account, &mut worker, 1).await;
    let old = account.voucher(&world, &node, &world.requestor.key).await;
    paid(&world, &node, &account, &mut worker, 2).await;
    let refused = account.post(&world, &node, 3).await;
    assert_eq!(refused, Err("402 vouchers_missing".to_owned()));

    let requestor = world.requestor.key.clone();
    let honest = account.voucher(&world, &node, &requestor).await;
    let resigned = |file: VoucherFile| signed(&account.terms, file, &requestor);
    let forged = [
        VoucherFile { payer: None, ..honest.clone() },
        signed(&account.terms, honest.clone(), &world.workers[0].key),
        VoucherFile { total_nano: Nano::new(1), ..honest.clone() },
        resigned(VoucherFile { total_nano: Nano::new(1), ..honest.clone() }),
        resigned(VoucherFile { root: Hash32([7; 32]), ..honest.clone() }),
        resigned(VoucherFile { count: 3, ..honest.clone() }),
        resigned(VoucherFile { count: 1, ..honest.clone() }),
        resigned(VoucherFile { valid_until: 1, ..honest.clone() }),
        resigned(VoucherFile { valid_until: u32::MAX, ..honest.clone() }),
        resigned(VoucherFile { network: -239, ..honest.clone() }),
    ];
    for file in forged {
        let (status, body) = vouch(&world, &node, &file).await;
        assert_eq!(status, 422, "{file:?}: {body}");
    }
    let elsewhere = VoucherFile { channel: Address::basechain([9; 32]), ..honest.clone() };
    assert_eq!(vouch(&world, &node, &elsewhere).await.0, 404);
    assert_eq!(account.view(&world, &node).await.voucher, None, "nothing of it was kept");
    assert_eq!(account.post(&world, &node, 3).await, Err("402 vouchers_missing".to_owned()));

    // The older one is for the first task alone: it counts for that, and no more.
    assert_eq!(vouch(&world, &node, &old).await.0, 200);
    let (status, both) = vouch(&world, &node, &honest).await;
    assert_eq!(status, 200, "{both}");
    let both: VoucherFile = serde_json::from_str(&both).unwrap();
    let unpaid = ChannelData::fresh(&account.terms);
    let unpaid = ChannelData { balance: Nano::grams(3), ..unpaid };
    let now = u32::try_from(time(&world).await).unwrap();
    assert_eq!(unpaid.check_file(&both, -3, now), Ok(Nano::grams(2)));
    assert_eq!(vouch(&world, &node, &honest).await.0, 200, "again is the same");
    assert_eq!(vouch(&world, &node, &old).await.0, 422, "the older one is over");
    until("the redemption", || async {
        (account.on_chain(&world).await.paid == Nano::grams(2)).then_some(())
    })
    .await;
    until("room", || async { account.post(&world, &node, 3).await.ok() }).await;
    // Its requestor pays for one order of a salt.
    let again = Listing { input: BlobRef::of(MODULE), ..account.listing(&world, &node, 3) };
    let again = Signed::new(again, &requestor);
    assert_eq!(post(&world, &node, &again).await, Err("409 ordered_once".to_owned()));
    // One GRAM is left and kept for that: the next wants more of them.
    assert_eq!(account.post(&world, &node, 4).await, Err("402 account_too_low".to_owned()));
    stopped(node).await;
}

/// Of a salt one order is paid, so while one may be paid, or was, no other is taken; one that ended unpaid
/// stands in nobody's way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_blocks_its_salt_until_it_ends_unpaid_and_over_restarts() {
    let mut world = World::new(1).await;
    world.node_config.rail.earnings_deposit = Nano::grams(10);
    world.node_config.rail.earnings_cap = Nano::grams(10);
    let node = world.node().await;
    let account = Account::open(&world, &node, Nano::grams(5), Nano::grams(5)).await;
    let first = account.post(&world, &node, 1).await.unwrap();
    let again = |node: &NodeHandle, input: &[u8]| {
        let input = BlobRef::of(input);
        let listing = Listing { input, ..account.listing(&world, node, 1) };
        Signed::new(listing, &world.requestor.key)
    };
    let once = Err("409 ordered_once".to_owned());
    assert_eq!(post(&world, &node, &again(&node, MODULE)).await, once);
    // Other salts of the account are other orders.
    let other = account.post(&world, &node, 2).await.unwrap();
    // Nobody came: both end unpaid, and the salt is free. It is again after a restart.
    world.chain.warp(3_600).await.unwrap();
    world.reaches(&node, &first, TaskStatus::Refunded).await;
    world.reaches(&node, &other, TaskStatus::Refunded).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let second =
        until("the salt", || async { post(&world, &node, &again(&node, MODULE)).await.ok() });
    let second = second.await;
    assert_ne!(second, first);
    assert_eq!(
        post(&world, &node, &again(&node, b"third")).await,
        Err("422 missing_blob".to_owned())
    );
    assert_eq!(world.upload(&node, b"third").await.status(), 204);
    assert_eq!(post(&world, &node, &again(&node, b"third")).await, once);
    stopped(node).await;
    let node = world.node().await;
    assert_eq!(post(&world, &node, &again(&node, b"third")).await, once, "it is under way");
    drop(worker);
    worker = Worker::join(&world, &node, 0).await;
    let (offered, _) = win(&world, &node, &mut worker).await;
    worker.work(&world, &node, &offered, |_| {}).await;
    world.reaches(&node, &second, TaskStatus::Paid).await;
    assert_eq!(post(&world, &node, &again(&node, b"third")).await, once, "it is paid");
    stopped(node).await;
    let node = world.node().await;
    assert_eq!(post(&world, &node, &again(&node, b"third")).await, once, "for ever");
    stopped(node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_payer_spends_from_an_account_and_only_where_everything_is_checked() {
    let world = World::new(1).await;
    let node = world.node().await;
    let account = Account::open(&world, &node, Nano::grams(5), Nano::grams(5)).await;
    assert_eq!(world.upload(&node, MODULE).await.status(), 204);
    assert_eq!(world.upload(&node, INPUT).await.status(), 204);
    let listing = account.listing(&world, &node, 1);
    let requestor = world.requestor.key.clone();
    let attempt = async |listing: Listing, key: &SecretKey| {
        post(&world, &node, &Signed::new(listing, key)).await.unwrap_err()
    };
    let thief = world.workers[0].key.clone();
    let stolen = Listing { requestor_key: thief.public(), ..listing.clone() };
    assert_eq!(attempt(stolen, &thief).await, "403 not_payer");
    let stolen = Listing { requestor: world.workers[0].address(), ..listing.clone() };
    assert_eq!(attempt(stolen, &requestor).await, "403 not_payer");
    let rail = Rail::Account { account: world.market };
    assert_eq!(attempt(Listing { rail, ..listing.clone() }, &requestor).await, "402 no_account");
    let hidden = Listing { version: 1, ..listing.clone() };
    assert_eq!(attempt(hidden, &requestor).await, "422 bad_listing");
    let policy = Policy::Replay { rate_ppm: 999_999 };
    let unchecked = Listing { policy, ..listing.clone() };
    assert_eq!(attempt(unchecked, &requestor).await, "422 rail_needs_audit");
    let dear = Listing { price_cap: Nano::grams(6), ..listing };
    assert_eq!(attempt(dear, &requestor).await, "402 above_exposure_cap");
    stopped(node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closing_account_is_settled_in_time_and_gets_nothing_new() {
    let world = World::new(1).await;
    let node = world.node().await;
    let account = Account::open(&world, &node, Nano::grams(8), Nano::grams(5)).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    paid(&world, &node, &account, &mut worker, 1).await;
    let voucher = account.voucher(&world, &node, &world.requestor.key).await;
    assert_eq!(vouch(&world, &node, &voucher).await.0, 200);
    assert_eq!(account.on_chain(&world).await.paid, Nano::ZERO, "too little to be worth the gas");
    account.close(&world).await;
    until("the redemption", || async {
        (account.on_chain(&world).await.paid == PRICE).then_some(())
    })
    .await;
    assert_eq!(account.on_chain(&world).await.status, ChannelStatus::Closing);
    assert_eq!(account.post(&world, &node, 2).await, Err("402 account_not_open".to_owned()));
    let view = account.view(&world, &node).await;
    assert_eq!((view.status.as_str(), view.room), ("closing", Nano::ZERO));
    stopped(node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_late_or_unwanted_is_not_owed() {
    let world = World::new(1).await;
    let node = world.node().await;
    let account = Account::open(&world, &node, Nano::grams(3), Nano::grams(3)).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let wrong = account.post(&world, &node, 1).await.unwrap();
    let (offered, earnings) = win(&world, &node, &mut worker).await;
    assert_eq!(account.view(&world, &node).await.promised, PRICE);
    worker.work(&world, &node, &offered, |result| result.output.push(b'!')).await;
    let ended = world.reaches(&node, &wrong, TaskStatus::Slashed).await;
    assert_eq!(ended.verdict.unwrap().verdict, "rejected");
    let late = account.post(&world, &node, 2).await.unwrap();
    win(&world, &node, &mut worker).await;
    world.chain.warp(700).await.unwrap();
    world.reaches(&node, &late, TaskStatus::Refunded).await;
    drop(worker);
    let unwanted = account.post(&world, &node, 3).await.unwrap();
    world.chain.warp(700).await.unwrap();
    world.reaches(&node, &unwanted, TaskStatus::Refunded).await;
    for channel in [account.address, earnings] {
        let view = view(&world, &node, &channel).await;
        assert_eq!((view.owed, view.promised, view.entries), (Nano::ZERO, Nano::ZERO, 0));
    }
    assert_eq!(account.view(&world, &node).await.room, Nano::grams(3));
    stopped(node).await;
}

/// A worker that leaves its earnings gets others with the next work, and what both have signed for those
/// is paid out of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn earnings_that_end_are_followed_by_others_and_the_node_redeems_for_its_worker() {
    let mut world = World::new(1).await;
    world.node_config.rail.earnings_cap = Nano::grams(2);
    let node = world.node().await;
    let account = Account::open(&world, &node, Nano::grams(5), Nano::grams(5)).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    account.post(&world, &node, 1).await.unwrap();
    let (offered, first) = win(&world, &node, &mut worker).await;
    worker.work(&world, &node, &offered, |_| {}).await;
    until("the entry", || async { (view(&world, &node, &first).await.entries == 1).then_some(()) })
        .await;
    let leave = channel::plain(channel::op::LEAVE, 1).unwrap();
    let leave = Transfer::call(std(&first), CHANNEL_END_VALUE.get().into(), leave);
    let treasury = world.workers[0].treasury.clone();
    world.chain.with(move |chain| chain.send_from(&treasury, &leave)).await.unwrap().unwrap();
    until("the end of the earnings", || async {
        (view(&world, &node, &first).await.status == "closed").then_some(())
    })
    .await;
    account.post(&world, &node, 2).await.unwrap();
    let (offered, second) = win(&world, &node, &mut worker).await;
    assert_ne!(first, second);
    worker.work(&world, &node, &offered, |_| {}).await;
    let voucher = until("a voucher", || async { view(&world, &node, &second).await.voucher }).await;
    let hash = |data: &ChannelData| {
        fog_contracts::rail::voucher_of(&voucher).hash(-3, &data.channel).unwrap()
    };
    let at = world.chain.account(std(&second)).await.unwrap().data.unwrap();
    let at = ChannelData::parse(Purpose::Earnings, &at).unwrap();
    let forged = world.requestor.key.sign(&hash(&at).0);
    let forged = VoucherFile { payee: Some(forged), ..voucher.clone() };
    assert_eq!(vouch(&world, &node, &forged).await.0, 422);
    let signed = world.workers[0].key.sign(&hash(&at).0);
    let signed = VoucherFile { payee: Some(signed), ..voucher.clone() };
    let more = VoucherFile { total_nano: Nano::grams(2), ..signed.clone() };
    assert_eq!(vouch(&world, &node, &more).await.0, 422);
    // It is for 0.975 of a cap of 2: less than half, so it is not worth the gas yet.
    assert_eq!(vouch(&world, &node, &signed).await.0, 200);
    paid(&world, &node, &account, &mut worker, 3).await;
    let voucher = until("the next voucher", || async {
        view(&world, &node, &second).await.voucher.filter(|voucher| voucher.count == 2)
    })
    .await;
    assert_eq!(voucher.payee, None, "the worker has not signed this one");
    assert_eq!(vouch(&world, &node, &signed).await.0, 422, "there is a newer one");
    let hash = fog_contracts::rail::voucher_of(&voucher).hash(-3, &at.channel).unwrap();
    let payee = Some(world.workers[0].key.sign(&hash.0));
    let total = voucher.total_nano;
    assert_eq!(vouch(&world, &node, &VoucherFile { payee, ..voucher }).await.0, 200);
    until("the node to redeem for its worker", || async {
        (view(&world, &node, &second).await.paid == total).then_some(())
    })
    .await;
    stopped(node).await;
}

/// Killed in every state of the redemption's intent, and between all steps before: entered once, paid
/// once.
async fn killed_at(state: &str, salt: u8) {
    let world = World::new(1).await;
    let mut running = Killable::start(&world).await;
    let account = Account::open(&world, running.node(), Nano::grams(3), Nano::grams(2)).await;
    let task = account.post(&world, running.node(), salt).await.unwrap();
    running.kill().await;
    running = Killable::start(&world).await;
    assert_eq!(account.view(&world, running.node()).await.promised, PRICE);
    let mut worker = Worker::join(&world, running.node(), 0).await;
    let (offered, earnings) = win(&world, running.node(), &mut worker).await;
    running.kill().await;
    running = Killable::start(&world).await;
    let share = PRICE.saturating_sub(PRICE.mul_div(250, 10_000).unwrap());
    assert_eq!(view(&world, running.node(), &earnings).await.promised, share);
    worker = Worker::join(&world, running.node(), 0).await;
    let payload = worker.payload(&world, running.node(), &task).await;
    let result = worker.run(&offered.listing, payload).await;
    let (commitment, reveal) = worker.commitment(task, &result);
    worker.commit(&offered, commitment).await;
    running.kill().await;
    running = Killable::start(&world).await;
    worker = Worker::join(&world, running.node(), 0).await;
    assert_eq!(worker.submit(&world, running.node(), &reveal).await.status(), 204);
    running.kill().await;
    running = Killable::start(&world).await;
    world.reaches(running.node(), &task, TaskStatus::Paid).await;
    let voucher = account.voucher(&world, running.node(), &world.requestor.key).await;
    assert_eq!((voucher.count, voucher.total_nano), (1, PRICE));
    assert_eq!(vouch(&world, running.node(), &voucher).await.0, 200);
    outbox_reaches(&world, "redeem", state).await;
    running.kill().await;
    running = Killable::start(&world).await;
    until("the redemption", || async {
        (account.view(&world, running.node()).await.paid == PRICE).then_some(())
    })
    .await;
    let at = account.on_chain(&world).await;
    assert_eq!((at.paid, at.balance, at.count), (PRICE, Nano::grams(2), 1), "paid, and once");
    let earned = view(&world, running.node(), &earnings).await;
    assert_eq!((earned.owed, earned.promised, earned.entries), (share, Nano::ZERO, 1));
    assert_eq!(earned.voucher.unwrap().total_nano, share, "vouched for at once");
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_with_a_redemption_pending_it_is_paid_once() {
    killed_at("pending", 11).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_with_a_redemption_sent_it_is_paid_once() {
    killed_at("sent", 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_with_a_redemption_final_it_is_paid_once() {
    killed_at("final", 13).await;
}
