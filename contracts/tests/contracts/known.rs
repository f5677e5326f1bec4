//! Bugs that have cost users of other contracts on TON their money: where each is known from, and
//! which tests fail where one of these contracts has it.
//!
//! Sources: Trail of Bits, "(Not So) Smart Contracts", chapter TON; TON's documentation, "Security
//! measures" and "Secure smart contract programming"; the published audits of the reference jetton,
//! the governed stablecoin, the nominator pool and the highload wallets, and what their successors
//! changed; Cocoon's contracts.

use std::collections::BTreeSet;

use fog_contracts::{
    channel::{self, Purpose},
    operator, stake, task,
};
use fog_protocol::Nano;
use fog_testnet::chain::SendError;
use tycho_types::{
    cell::{Cell, CellBuilder},
    models::{ExtInMsgInfo, MsgInfo, OwnedMessage},
};

use crate::{
    alone::{OPERATOR, OWNER, QUERY, Word, every_task, speaker, stake_alone},
    channels, jettons, operators,
    solo::{Arrival, Solo},
    world::{World, failures, ours, std},
};

/// The bug, where it is known from, and the tests that look for it.
const KNOWN: [(&str, &str, &[&str]); 39] = [
    (
        "a forged jetton, or the forged wallet of a real one, counts as a payment",
        "(Not So) Smart Contracts: fake jetton contract",
        &["jettons_count_by_the_own_wallets_word_alone", "another_masters_jettons_do_not_count"],
    ),
    (
        "an integer is taken for a boolean, and its complement is true as well",
        "(Not So) Smart Contracts: integer as boolean",
        &["no_source_draws_accepts_upgrades_or_complements"],
    ),
    (
        "money is forwarded without the gas for it: the contract's own balance pays",
        "(Not So) Smart Contracts: forward without gas check",
        &[
            "the_least_carries_every_step_to_its_end",
            "the_least_that_is_forwarded_counts",
            "starved_messages_change_nothing",
            "starved_messages_change_no_jetton_channel",
        ],
    ),
    (
        "an external message is accepted before it is checked, or twice: gas drains the balance",
        "highload wallet v2, wallets without a sequence number",
        &["external_messages_are_accepted_by_nobody"],
    ),
    (
        "a message that bounced is read as if its sender had sent it",
        "security measures: bounced messages",
        &["a_command_that_bounced_is_no_command", "rubbish_in_a_bounced_body_does_nothing"],
    ),
    (
        "a bounce is not handled: money that was debited is gone",
        "security measures: bounced messages; reference jetton",
        &["a_bounce_undoes_its_own_step_once", "a_bounced_transfer_is_owed_again_once"],
    ),
    (
        "one bounce, or somebody else's, is credited twice",
        "reference jetton",
        &["foreign_and_untimely_bounces_do_nothing", "many_under_way_come_back_in_any_order"],
    ),
    (
        "an unknown opcode or a bent body is accepted, and its money kept",
        "secure programming: parse everything, throw at the end",
        &["bent_messages_are_refused", "bent_and_unknown_messages_are_refused"],
    ),
    (
        "anybody sends what only one contract may",
        "secure programming: check the sender",
        &[
            "every_word_in_every_state_from_every_role_at_every_moment",
            "only_a_genuine_task_of_this_market_reserves",
            "only_a_genuine_task_of_this_market_and_node_frees",
        ],
    ),
    (
        "a signature counts in another place, network, or again",
        "security measures: replay protection; highload wallet v2",
        &[
            "a_verdict_binds_everything",
            "a_consent_binds_everything",
            "a_ruling_binds_everything",
            "a_voucher_counts_in_its_own_place_only",
            "a_commitment_is_the_session_keys_own",
        ],
    ),
    (
        "old queries are forgotten, and then accepted again",
        "highload wallet v2: cleaning up",
        &[
            "a_redemption_pays_the_difference_once",
            "vouchers_expire_and_none_lives_longer_than_a_year",
        ],
    ),
    (
        "a contract that was destroyed is deployed again with its first data: signatures live again",
        "security measures: account destruction",
        &[
            "a_task_is_funded_once_in_all_eternity",
            "a_closed_channel_cannot_be_opened_again",
            "decades_without_rent_do_not_open_a_closed_channel_anew",
        ],
    ),
    (
        "money that comes while a contract is being destroyed is lost",
        "security measures: account destruction race",
        &["no_source_draws_accepts_upgrades_or_complements"],
    ),
    (
        "a map grows with its users until nothing can be paid for any more",
        "nominator pool: forty nominators; unbounded storage",
        &[
            "a_full_queue_refuses_nothing_and_keeps_its_order",
            "rent_is_reserved_for_the_fullest_contracts",
        ],
    ),
    (
        "one participant's withdrawal is held up by another's",
        "nominator pool: withdrawals at the end of a round",
        &[
            "nobody_runs_from_a_slash_and_nobody_is_held_up_by_what_came_later",
            "in_every_order_everybody_bears_its_part_and_nobody_is_held_up",
        ],
    ),
    (
        "the first share is made so dear that rounding takes the next deposit",
        "vaults of shares everywhere",
        &[
            "a_share_cannot_be_made_so_dear_that_rounding_steals",
            "money_sent_to_a_stake_makes_no_share_dearer",
        ],
    ),
    (
        "a fee is raised between a user's look and its deposit",
        "nominator pool: validator's reward share",
        &["a_raise_of_the_commission_waits_and_a_newcomer_says_what_it_accepts"],
    ),
    (
        "who knows of a slash leaves before it",
        "liquid staking",
        &[
            "in_every_order_everybody_bears_its_part_and_nobody_is_held_up",
            "nobody_runs_from_a_slash_and_nobody_is_held_up_by_what_came_later",
        ],
    ),
    (
        "storage fees eat what is owed",
        "security measures: storage fees",
        &[
            "ten_years_later_everything_can_be_claimed",
            "ten_years_later_a_staker_gets_everything",
            "after_ten_years_a_jetton_channel_is_woken_and_pays",
        ],
    ),
    (
        "a failed action leaves the new state without its payment",
        "security measures: action phase; mode 2",
        &[
            "a_bounced_slash_after_a_ruling_is_tried_again",
            "after_a_bounced_payment_it_can_be_paid_again",
        ],
    ),
    (
        "a receiver that refuses blocks the others",
        "pull over push; frozen jetton wallets of the stablecoin",
        &[
            "refused_payment_goes_to_the_workers_wallet_in_the_end",
            "a_real_wallet_that_is_frozen_gives_back_what_it_was_told_to_send",
        ],
    ),
    (
        "an address of the masterchain, or of none, takes money that never comes back",
        "reference jetton: check the workchain",
        &["everybody_lives_on_the_basechain", "a_delegation_lives_on_the_basechain"],
    ),
    (
        "the owner changes rules or code under its users, at once",
        "governed stablecoin: two steps; secure programming: upgrades",
        &[
            "a_change_waits_out_its_timelock_and_spares_live_tasks",
            "it_changes_hands_in_two_steps_after_the_timelock",
            "no_source_draws_accepts_upgrades_or_complements",
        ],
    ),
    (
        "a pause locks users in",
        "governed stablecoin",
        &["a_paused_market_refunds_new_tasks_and_keeps_old_ones"],
    ),
    (
        "the chain's randomness decides about money",
        "security measures: random numbers",
        &["no_source_draws_accepts_upgrades_or_complements"],
    ),
    (
        "the key zero, or one that anybody can sign for, is accepted",
        "Ed25519: points of small order",
        &["signatures_that_anybody_can_make_for_key_zero_are_refused"],
    ),
    (
        "who closes a channel takes back what it has signed for",
        "Cocoon: client and worker contracts",
        &[
            "what_vouchers_cover_cannot_be_taken_back_within_the_delay",
            "a_requestor_that_disappears_takes_nothing_that_vouchers_cover",
        ],
    ),
    (
        "who disappears owes more than anybody agreed to risk",
        "Cocoon: client and proxy contracts",
        &[
            "a_node_that_disappears_costs_nobody_more_than_the_cap",
            "never_more_than_there_is_nor_than_the_cap",
        ],
    ),
    (
        "who is slashed is paid the damages, too: others' delegated stake is drained",
        "slashing of delegated stake, with a counterparty of one's own",
        &[
            "a_worker_that_has_itself_cut_gets_nothing_of_its_delegators",
            "a_reward_is_no_more_than_what_came_of_the_slash",
        ],
    ),
    (
        "whoever gains by waiting starts a deadline anew",
        "withdrawal requests that can be renewed; vesting and multisig audits",
        &[
            "a_stake_that_throws_for_ever_holds_nobody_up",
            "a_freed_reservation_holds_nobody_up",
            "a_late_try_leaves_the_exit_its_time",
        ],
    ),
    (
        "an answer never comes, and what waits for it is locked",
        "security measures: message flows; bounces that nobody pays for",
        &[
            "the_least_carries_every_expiry_to_its_end",
            "a_wallet_of_its_own_that_does_nothing_delays_and_loses_nothing",
            "stale_reservations_have_an_exit",
        ],
    ),
    (
        "messages of two flows interleave, and both are carried out",
        "security measures: race conditions between messages",
        &[
            "every_order_of_challenge_ruling_expiry_proof_and_end",
            "in_every_order_what_is_reserved_is_there",
            "every_order_of_redemptions_and_exits",
        ],
    ),
    (
        "a stranger's cells are passed on unread, and their size is paid for here",
        "security measures: message size; custom payloads of jettons",
        &["a_consent_of_many_cells_goes_nowhere"],
    ),
    (
        "a caller's change comes out of others' money",
        "secure programming: excesses",
        &[
            "whoever_pushes_gets_back_no_more_than_it_brought",
            "claims_take_nothing_of_the_rent",
            "a_bonds_change_is_no_gift",
        ],
    ),
    (
        "somebody else deploys the contract first",
        "secure programming: whoever has the code and the first data can",
        &["who_deploys_a_contract_first_gains_and_spoils_nothing"],
    ),
    (
        "a token that lies overflows a sum, and the contract stands still",
        "audits of jettons and of what takes them",
        &["a_lying_wallet_holds_up_no_end", "amounts_as_large_as_they_get"],
    ),
    (
        "a later answer moves a contract to another jetton wallet",
        "TEP-89: discovery of wallets",
        &["the_master_alone_says_which_wallet_and_once", "forged_answers_are_refused"],
    ),
    (
        "a notification that cannot be read is thrown back: the jettons are here, and nobody's",
        "reference jetton: forward payloads",
        &[
            "whatever_the_payload_jettons_count",
            "any_notification_counts_its_amount_or_nothing",
            "what_came_without_a_word_is_swept_in_the_end",
        ],
    ),
    (
        "a proof of one statement is bent into one of another, or of the same again",
        "Groth16: proofs can be re-randomised, inputs aliased; pairings without a look at the group",
        &[
            "aliased_inputs_are_another_statement",
            "every_bit_of_a_proof_matters",
            "a_proof_counts_once",
            "points_must_be_points_of_the_group",
        ],
    ),
];

/// Every source file of the contracts, by name, without its comments.
pub(crate) fn sources(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![format!("{}/{folder}", env!("CARGO_MANIFEST_DIR")).into()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir::<std::path::PathBuf>(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|at| at == ending) {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.lines().map(|line| line.split("//").next().unwrap_or(""));
                found.push((path.display().to_string(), code.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    assert!(found.len() > 20, "{}", found.len());
    found
}

#[test]
fn every_known_bug_has_a_test() {
    let tests = sources("tests/contracts", "rs");
    let names: BTreeSet<&str> = tests
        .iter()
        .flat_map(|(_, text)| text.split("#[test]").skip(1))
        .filter_map(|test| test.split("fn ").nth(1)?.split('(').next())
        .collect();
    for (bug, source, looked_for_by) in KNOWN {
        assert!(!looked_for_by.is_empty() && !source.is_empty(), "{bug}");
        for test in looked_for_by {
            assert!(names.contains(test), "{bug}: there is no test {test}");
        }
    }
}

/// What must not stand in any source: Tolk's booleans have no complement but `!`, nothing is drawn,
/// nothing comes from outside, code changes only into a tomb, and no account is destroyed.
#[test]
fn no_source_draws_accepts_upgrades_or_complements() {
    let mut tombs = 0;
    for (path, code) in sources("tolk", "tolk") {
        let words = [
            "~",
            "random",
            "acceptExternalMessage",
            "onExternalMessage",
            "SEND_MODE_DESTROY",
            "DESTROY_ON",
            "getBlockRandom",
            "setGasLimit",
            "commitContractData",
        ];
        for word in words {
            assert!(!code.contains(word), "{path}: {word}");
        }
        tombs += code.matches("setCodePostponed(tombCode())").count();
        let changes = code.matches("setCode").count();
        assert_eq!(changes, code.matches("setCodePostponed(tombCode())").count(), "{path}");
    }
    assert!(tombs > 0, "it looks at the right files");
}

/// What an honest party says to a task, a stake and a bond, and anything else: from outside it moves
/// nothing, and costs the contract nothing.
#[test]
fn external_messages_are_accepted_by_nobody() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let init = world.task_init(1);
    world.fund(&init);
    let task = init.address().unwrap();
    let (account, payer, _) = channels::kit::in_world(&world, Purpose::Account);
    world.top_up(&account, &payer, Nano::grams(1));
    let now = world.chain.now();
    let bodies = [
        Cell::default(),
        task::expire(1).unwrap(),
        Word::Assign.body(task, now),
        stake::withdraw(1).unwrap(),
        operator::withdraw(1, Nano::grams(1)).unwrap(),
        channel::plain(channel::op::CLOSE, QUERY).unwrap(),
    ];
    let (bond, stake) = (world.bond.address().unwrap(), world.stake.address().unwrap());
    for address in [world.market, task, stake, bond, account.address().unwrap()] {
        let before = world.chain.account(&std(&address)).unwrap();
        for body in &bodies {
            let message = CellBuilder::build_from(OwnedMessage {
                info: MsgInfo::ExtIn(ExtInMsgInfo {
                    dst: std(&address).into(),
                    ..ExtInMsgInfo::default()
                }),
                init: None,
                body: body.clone().into(),
                layout: None,
            })
            .unwrap();
            let refused = matches!(world.chain.send(message), Err(SendError::Refused(_)));
            assert!(refused, "{address} accepts {body:?}");
        }
        let after = world.chain.account(&std(&address)).unwrap();
        assert_eq!((before.balance, before.data), (after.balance, after.data), "{address}");
    }
    world.assert_conserved();
}

/// With its first data and money of its own, before anybody else: the owner's first word does what it
/// does anyway, and nothing that the stranger left is counted as anybody's.
#[test]
fn who_deploys_a_contract_first_gains_and_spoils_nothing() {
    let mut world = World::new();
    let (stranger, requestor, staker) =
        (world.stranger.clone(), world.requestor.clone(), world.staker(0));
    let task = world.task_init(1);
    let delegation = world.delegation_of(&staker);
    let (account, payer, _) = channels::kit::in_world(&world, Purpose::Account);
    let places = [
        (task.address().unwrap(), task.state_init().unwrap()),
        (world.stake.address().unwrap(), world.stake.state_init().unwrap()),
        (delegation.address().unwrap(), delegation.state_init().unwrap()),
        (account.address().unwrap(), account.state_init().unwrap()),
    ];
    for (at, init) in places {
        world.deploy(&stranger, at, Nano::grams(5), init, Cell::default());
    }
    world.deposit(Nano::grams(100));
    assert_eq!(world.stake().stake, Nano::grams(100));
    assert_eq!(failures(&world.delegate(&staker, Nano::grams(50))), [0; 0]);
    assert_eq!(world.worth(&staker), Nano::grams(50).get());
    world.top_up(&account, &payer, Nano::grams(7));
    assert_eq!(world.channel(&account).balance, Nano::grams(7));
    let before = world.balance(&ours(&requestor.address));
    assert_eq!(failures(&world.fund(&task)), [0; 0]);
    assert!(before - world.balance(&ours(&requestor.address)) >= task.terms.price.get());
    let at = task.address().unwrap();
    assert_eq!(world.task(&at).unwrap().escrowed, task.terms.price);
    // Nor does a stranger that comes with the code begin what is the owner's to begin.
    let other = world.task_init(2);
    let body = task::fund(QUERY).unwrap();
    let (value, init) = (Nano::grams(5), other.state_init().unwrap());
    let refused = world.deploy(&stranger, other.address().unwrap(), value, init, body);
    assert_eq!(failures(&refused), [100]);
    assert_eq!(failures(&world.fund(&other)), [0; 0]);
    world.assert_conserved();
}

fn unmoved(contract: &Solo, from: fog_protocol::Address, body: Cell) {
    let mut solo = contract.clone();
    let before = solo.stored();
    let ran = solo.receive(from, 2_000_000_000, body.clone(), Arrival::Bounced);
    assert_eq!(solo.stored(), before, "{body:?}");
    assert!(ran.sent.is_empty(), "{body:?}");
}

/// The plain body of every command, flagged as bounced, from whoever may send it.
#[test]
fn a_command_that_bounced_is_no_command() {
    for task in every_task() {
        for word in Word::ALL {
            unmoved(&task, speaker(word), word.body(task.address, task.now));
        }
    }
    let (stake, bond) = (stake_alone(), operators::bonded());
    for body in [
        stake::withdraw(QUERY).unwrap(),
        stake::unbond(QUERY, Nano::grams(1)).unwrap(),
        stake::withdraw_earnings(QUERY).unwrap(),
        stake::deposit(QUERY, Nano::grams(1), &crate::alone::session().public()).unwrap(),
    ] {
        unmoved(&stake, OWNER, body);
    }
    unmoved(&bond, OPERATOR, operator::withdraw(QUERY, Nano::grams(1)).unwrap());
    unmoved(&bond, OPERATOR, operator::bond(QUERY, Nano::grams(1)).unwrap());
    for purpose in [Purpose::Account, Purpose::Earnings] {
        let plain = channels::kit::channel(purpose);
        let solo = channels::kit::funded(&plain);
        let voucher = channels::kit::voucher(1_000, 1, solo.now);
        unmoved(&solo, plain.payee, channels::kit::redeem_body(&plain, &voucher));
        for from in [plain.payer, plain.payee] {
            unmoved(&solo, from, channel::plain(channel::op::CLOSE, QUERY).unwrap());
        }
        let other = jettons::kit::channel(purpose);
        let solo = jettons::kit::funded(&other);
        let voucher = jettons::kit::voucher(1_000, 1, solo.now);
        unmoved(&solo, other.terms.payee, jettons::kit::redeem_body(&other, &voucher));
        unmoved(&solo, jettons::kit::WALLET, jettons::kit::plain_notification(5));
        unmoved(&solo, jettons::kit::MASTER, jettons::kit::answer(Some(OWNER)));
    }
}
