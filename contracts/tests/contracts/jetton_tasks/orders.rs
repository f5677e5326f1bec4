//! All orders of six messages in which beginning, payment, cancellation, assignment, settlement, slash,
//! timeout, claims and everything that comes back race each other, at paces that put the deadlines
//! before, between and after them; against a model of a few lines. Challenges are among the orders of
//! `crate::disputes`.

use fog_contracts::{
    COMMIT_VALUE, TaskState as S, jetton,
    jetton_task::{self, FUNDING_TIME, SETTLING_TIME, Share, UNCLAIMED},
    market, stake,
};
use fog_protocol::Address;

use super::kit::{UNITS, asking, begin, claim, money, paid, put_in, task};
use crate::{
    alone::{
        self, GRAM, Kind, MARKET, OPERATOR, OWNER, REQUESTOR, STRANGER, TREASURY, data, speaker,
        stake_address, state, task_of,
    },
    channels::orders::orders,
    jettons::kit::{MASTER, WALLET, answer, units},
    solo::{Arrival, Sent, Solo},
    world::{PRICE, STEP, WINDOW},
};

const DAY: u32 = 24 * 3600;
/// As the contract has them: see `task/ending.tolk`.
const PATIENCE: u32 = DAY;
const LAST_EXIT: u32 = 90 * DAY;
const EXIT_TIME: u32 = 7 * DAY;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Begin,
    Answer,
    PayWhole,
    PayHalf,
    /// By the market, the stake, the own jetton wallet: the last message of this kind comes back.
    RegisterBack,
    ReserveBack,
    SettleBack,
    SlashBack,
    TransferBack,
    Claim(Share),
    Sweep,
    Bury,
    /// What every task is told.
    Say(alone::Word),
}

const CANCEL: Word = Word::Say(alone::Word::Cancel);
const EXPIRE: Word = Word::Say(alone::Word::Expire);
const ASSIGN: Word = Word::Say(alone::Word::Assign);
const RESERVED: Word = Word::Say(alone::Word::Reserved);
const FINALIZE: Word = Word::Say(alone::Word::Finalize);
const SETTLED: Word = Word::Say(alone::Word::Settled);
const SLASHED: Word = Word::Say(alone::Word::Slashed);

/// What must have come of it.
struct Model {
    state: S,
    deadline: u32,
    told: bool,
    held: u128,
    /// By [`Share`]'s numbers.
    dues: [u128; 4],
    /// Sent, and did not come back.
    sent: [u128; 4],
    /// What may still come back of each.
    open: [u128; 4],
    /// The share that was sent last: it is what [`Word::TransferBack`] throws back.
    last: Option<usize>,
    quiet_from: u32,
    buried: bool,
    credited: u128,
}

impl Model {
    fn of(solo: &Solo) -> Self {
        let (at, jettons) = (data(solo), money(solo));
        let mut model = Self {
            state: at.state,
            deadline: at.deadline,
            told: jettons.wallet.is_some(),
            held: jettons.held.get(),
            dues: Share::ALL.map(|share| jettons.dues.of(share).get()),
            sent: [0; 4],
            open: [0; 4],
            last: None,
            quiet_from: jettons.sent_at + SETTLING_TIME,
            buried: false,
            credited: 0,
        };
        model.credited = model.there();
        model
    }

    /// What the task's wallet has of what was counted.
    fn there(&self) -> u128 {
        self.held + self.dues.iter().sum::<u128>()
    }

    fn end(&mut self, how: S, now: u32) {
        if how == S::Paid {
            // At the whole price: nothing of what is held is the requestor's.
            let shares = paid(&task(), PRICE);
            for share in Share::ALL {
                self.dues[share as usize] += shares.of(share).get();
            }
            self.held -= shares.sum().get();
        }
        self.dues[0] += std::mem::take(&mut self.held);
        (self.state, self.deadline) = (how, now + UNCLAIMED);
        self.quiet_from = now + SETTLING_TIME;
    }

    fn start_if_paid(&mut self, now: u32) {
        if self.held < UNITS || now > self.deadline {
            return;
        }
        self.dues[0] += self.held - UNITS;
        self.held = UNITS;
        (self.state, self.deadline) = (S::Registering, now + STEP);
    }

    fn pay(&mut self, amount: u128, now: u32) -> bool {
        if !self.told {
            return false;
        }
        self.credited += amount;
        if self.state == S::Created {
            self.held += amount;
            self.start_if_paid(now);
        } else {
            self.dues[0] += amount;
        }
        true
    }

    fn claim(&mut self, share: Share, now: u32) -> bool {
        let share = share as usize;
        let amount = std::mem::take(&mut self.dues[share]);
        if amount == 0 {
            return false;
        }
        self.sent[share] += amount;
        (self.open[share], self.last) = (amount, Some(share));
        if share > 0 {
            self.quiet_from = now + SETTLING_TIME;
        }
        true
    }

    fn is_quiet(&self, now: u32) -> bool {
        self.state.is_end() && self.dues[1..] == [0; 3] && now >= self.quiet_from
    }

    /// From the deadline until a day before the last exit, and when that was open for a week.
    fn is_ripe(&self, now: u32) -> bool {
        let exit = self.deadline + LAST_EXIT;
        now >= self.deadline && !(exit - DAY..exit + EXIT_TIME).contains(&now)
    }

    /// The last exit does not move, unless it was missed: then it opens in a day.
    fn exit_kept(&self, now: u32) -> u32 {
        self.deadline.max(now + DAY - LAST_EXIT)
    }

    fn expire(&mut self, now: u32) -> bool {
        let patience = match self.state {
            S::Registering | S::Reserving | S::Penalising => PATIENCE,
            S::Accepted | S::Rejected | S::Settling | S::Slashing => LAST_EXIT,
            _ => 0,
        };
        if self.state.is_end() || now <= self.deadline + patience {
            return false;
        }
        match self.state {
            S::Assigned => (self.state, self.deadline) = (S::Penalising, now),
            S::Accepted | S::Settling => self.end(S::Paid, now),
            _ => self.end(S::Refunded, now),
        }
        true
    }

    /// Thrown back: only what is pending is undone.
    fn come_back(&mut self, word: Word, now: u32) {
        match (word, self.state) {
            (Word::RegisterBack, S::Registering) => self.end(S::Refunded, now),
            (Word::ReserveBack, S::Reserving) => self.state = S::Open,
            (Word::SettleBack, S::Settling) => self.state = S::Accepted,
            (Word::SlashBack, S::Slashing) => self.state = S::Rejected,
            (Word::SlashBack, S::Penalising) => self.end(S::Refunded, now),
            (Word::TransferBack, _) => {
                let Some(share) = self.last else { return };
                let amount = std::mem::take(&mut self.open[share]);
                self.dues[share] += amount;
                self.sent[share] -= amount;
            }
            _ => {}
        }
    }

    /// Does it go through?
    fn say(&mut self, word: Word, now: u32) -> bool {
        if self.buried {
            return false;
        }
        match word {
            Word::Begin if self.state == S::Created => {
                self.deadline = now + FUNDING_TIME;
                if self.told {
                    self.start_if_paid(now);
                }
            }
            Word::Answer if !self.told => self.told = true,
            Word::PayWhole => return self.pay(UNITS, now),
            Word::PayHalf => return self.pay(UNITS / 2 + 1, now),
            Word::Claim(share) => return self.claim(share, now),
            // Of what was never counted: nothing here changes.
            Word::Sweep => return self.is_quiet(now) && self.told,
            Word::Bury => {
                self.buried = self.is_quiet(now);
                return self.buried;
            }
            CANCEL if matches!(self.state, S::Created | S::Open) => self.end(S::Refunded, now),
            EXPIRE => return self.expire(now),
            ASSIGN if self.state == S::Open && now <= self.deadline => self.state = S::Reserving,
            RESERVED if self.state == S::Reserving => {
                (self.state, self.deadline) = (S::Assigned, now + STEP);
            }
            FINALIZE if self.is_ripe(now) && self.state == S::Accepted => {
                (self.state, self.deadline) = (S::Settling, self.exit_kept(now));
            }
            FINALIZE if self.is_ripe(now) && self.state == S::Rejected => {
                (self.state, self.deadline) = (S::Slashing, self.exit_kept(now));
            }
            SETTLED if self.state == S::Settling => self.end(S::Paid, now),
            SLASHED if self.state == S::Slashing => self.end(S::Slashed, now),
            SLASHED if self.state == S::Penalising => self.end(S::Late, now),
            _ => return false,
        }
        true
    }
}

/// What may come back: the last message of each kind.
#[derive(Default)]
struct Outbox {
    register: Option<Sent>,
    reserve: Option<Sent>,
    settle: Option<Sent>,
    slash: Option<Sent>,
    transfer: Option<Sent>,
}

impl Outbox {
    fn note(&mut self, sent: &[Sent]) {
        for message in sent {
            let place = match message.op() {
                market::op::REGISTER => &mut self.register,
                stake::op::RESERVE => &mut self.reserve,
                stake::op::SETTLE => &mut self.settle,
                stake::op::SLASH => &mut self.slash,
                // A sweep's is nobody's share.
                jetton::op::TRANSFER if number(message) != 0 => &mut self.transfer,
                _ => continue,
            };
            *place = Some(message.clone());
        }
    }

    /// What this word throws back, if it was ever sent; with who does so.
    fn back(&self, word: Word) -> Option<(Address, &Sent)> {
        let (from, message) = match word {
            Word::RegisterBack => (MARKET, &self.register),
            Word::ReserveBack => (stake_address(), &self.reserve),
            Word::SettleBack => (stake_address(), &self.settle),
            Word::SlashBack => (stake_address(), &self.slash),
            Word::TransferBack => (WALLET, &self.transfer),
            _ => return None,
        };
        Some((from, message.as_ref()?))
    }
}

/// A transfer's number; zero where it is nobody's share.
fn number(message: &Sent) -> u64 {
    let mut body = message.body.as_slice().unwrap();
    body.load_u32().unwrap();
    body.load_u64().unwrap()
}

const fn is_back(word: Word) -> bool {
    use Word::{RegisterBack, ReserveBack, SettleBack, SlashBack, TransferBack};
    matches!(word, RegisterBack | ReserveBack | SettleBack | SlashBack | TransferBack)
}

/// Says it; gives the exit code.
fn say(solo: &mut Solo, word: Word, outbox: &mut Outbox) -> i32 {
    let ran = match word {
        Word::Begin => begin(solo),
        Word::Answer => solo.send(MASTER, GRAM / 100, answer(Some(WALLET))),
        Word::PayWhole => put_in(solo, UNITS),
        Word::PayHalf => put_in(solo, UNITS / 2 + 1),
        Word::Claim(share) => {
            let owner = [REQUESTOR, OWNER, TREASURY, OPERATOR][share as usize];
            claim(solo, if share == Share::Treasury { STRANGER } else { owner }, share, owner)
        }
        Word::Sweep => solo.send(REQUESTOR, GRAM / 5, jetton_task::sweep(9, units(5)).unwrap()),
        Word::Bury => solo.send(REQUESTOR, COMMIT_VALUE.get(), jetton_task::bury(9).unwrap()),
        Word::Say(word) => alone::say(solo, word, speaker(word)),
        back => {
            let Some((from, message)) = outbox.back(back) else { return 0 };
            let (value, body) = (message.value, message.bounced(104));
            solo.receive(from, value, body, Arrival::Bounced)
        }
    };
    outbox.note(&ran.sent);
    ran.exit
}

fn play(start: &Solo, words: &[Word], pace: u32) -> Model {
    let (mut solo, mut model, mut outbox) = (start.clone(), Model::of(start), Outbox::default());
    for word in words {
        let done = if is_back(*word) {
            // Of what was never sent nothing comes back.
            if outbox.back(*word).is_some() && !model.buried {
                model.come_back(*word, solo.now);
            }
            None
        } else {
            Some(model.say(*word, solo.now))
        };
        let exit = say(&mut solo, *word, &mut outbox);
        let case = format!("{words:?} every {pace} s, at {word:?}: {exit}");
        assert!(done.is_none_or(|done| done == (exit == 0)), "{case}, {done:?}");
        assert_eq!(state(&solo), model.state, "{case}");
        let sent: u128 = model.sent.iter().sum();
        match super::kit::data(&solo).money {
            None => {
                assert!(model.buried && model.held == 0 && model.dues[1..] == [0; 3], "{case}");
            }
            Some(money) => {
                assert!(!model.buried, "{case}");
                let dues = Share::ALL.map(|share| money.dues.of(share).get());
                assert_eq!((money.held.get(), dues), (model.held, model.dues), "{case}");
                assert_eq!(model.there() + sent, model.credited, "{case}");
            }
        }
        solo.now += pace;
    }
    model
}

/// What the figures are called.
const FIGURES: &str = "orders around tasks in jettons";

/// How many orders there were, and how they ended.
#[derive(Debug, Default)]
struct Tally {
    played: u32,
    paid: u32,
    refunded: u32,
    slashed: u32,
    buried: u32,
    sent: u32,
}

fn every_order<const N: usize>(start: &Solo, mut cast: [Word; N], paces: &[u32], of: &mut Tally) {
    for pace in paces {
        orders(&mut cast, 0, &mut |words| {
            let model = play(start, words, *pace);
            of.played += 1;
            of.paid += u32::from(model.state == S::Paid);
            of.refunded += u32::from(model.state == S::Refunded);
            of.slashed += u32::from(matches!(model.state, S::Slashed | S::Late));
            of.buried += u32::from(model.buried);
            of.sent += u32::from(model.sent.iter().any(|sent| *sent > 0));
        });
    }
}

#[test]
fn every_order_of_beginning_payment_cancellation_and_timeout() {
    use Word::{Answer, Begin, Bury, Claim, PayHalf, PayWhole, RegisterBack, TransferBack};
    let (mut tally, start, mine) = (Tally::default(), asking(), Claim(Share::Requestor));
    let paces = [1, DAY + 1];
    every_order(&start, [Begin, Answer, PayWhole, PayHalf, CANCEL, EXPIRE], &paces, &mut tally);
    every_order(&start, [Answer, PayHalf, PayHalf, RegisterBack, CANCEL, mine], &paces, &mut tally);
    every_order(&start, [Answer, PayWhole, EXPIRE, mine, TransferBack, Bury], &paces, &mut tally);
    fog_figures::figure!(FIGURES, "beginnings: {tally:?}");
    assert_eq!(tally.played, 3 * 2 * 720);
    assert!(tally.refunded > 1_000 && tally.sent > 100 && tally.buried > 10);
    assert_eq!((tally.paid, tally.slashed), (0, 0));
}

#[test]
fn every_order_of_assignment_cancellation_and_timeout() {
    use Word::{PayHalf, ReserveBack, SlashBack};
    let (mut tally, start) = (Tally::default(), task_of(Kind::InJetton, S::Open));
    let paces = [1, STEP + 1, DAY + 1];
    every_order(
        &start,
        [ASSIGN, RESERVED, ReserveBack, CANCEL, EXPIRE, PayHalf],
        &paces,
        &mut tally,
    );
    every_order(&start, [ASSIGN, RESERVED, EXPIRE, SLASHED, SlashBack, EXPIRE], &paces, &mut tally);
    fog_figures::figure!(FIGURES, "assignments: {tally:?}");
    assert_eq!(tally.played, 2 * 3 * 720);
    assert!(tally.refunded > 1_000 && tally.slashed > 5);
    assert_eq!(tally.paid, 0);
}

#[test]
fn every_order_of_settlement_slash_timeout_claims_and_returns() {
    use Word::{Bury, Claim, SettleBack, SlashBack, Sweep, TransferBack};
    let shares = [Share::Worker, Share::Treasury, Share::Node].map(Claim);
    let [worker, treasury, node] = shares;
    let (mut tally, mine) = (Tally::default(), Claim(Share::Requestor));
    let accepted = task_of(Kind::InJetton, S::Accepted);
    let rejected = task_of(Kind::InJetton, S::Rejected);
    let ended = task_of(Kind::InJetton, S::Paid);
    for cast in [
        [FINALIZE, SETTLED, worker, treasury, node, Bury],
        [FINALIZE, SETTLED, SettleBack, EXPIRE, worker, TransferBack],
        [FINALIZE, FINALIZE, SettleBack, SETTLED, EXPIRE, mine],
    ] {
        let paces = [WINDOW, DAY + 1, LAST_EXIT + 1, LAST_EXIT + EXIT_TIME];
        every_order(&accepted, cast, &paces, &mut tally);
    }
    let slash = [FINALIZE, SLASHED, SlashBack, EXPIRE, mine, Bury];
    every_order(&rejected, slash, &[WINDOW, LAST_EXIT + 1, LAST_EXIT + EXIT_TIME], &mut tally);
    for cast in [
        [worker, TransferBack, worker, treasury, node, Bury],
        [worker, TransferBack, treasury, node, Sweep, Bury],
    ] {
        every_order(&ended, cast, &[1, DAY + 1], &mut tally);
    }
    fog_figures::figure!(FIGURES, "ends: {tally:?}");
    assert_eq!(tally.played, (3 * 4 + 3 + 2 * 2) * 720);
    assert!(tally.paid > 4_000 && tally.slashed > 100 && tally.buried > 100 && tally.sent > 3_000);
}
