//! Every (word, state, role, moment) of both contracts in a jetton, against one table.

use fog_contracts::{
    channel::{self, ChannelStatus, Purpose},
    jetton::{self, JettonChannel},
};
use fog_protocol::{Address, SecretKey};
use tycho_types::cell::Cell;

use super::kit::{
    ENOUGH, MASTER, ONE, WALLET, answer, channel, claim, data, end, fresh, funded, opened,
    plain_notification, redeem_body, units, voucher,
};
use crate::{
    alone::{GRAM, QUERY, STRANGER},
    cells::every,
    channels::kit::{CLOSE, DELAY, FINISH, LEAVE},
    channels::matrix::bends,
    solo::{Arrival, Solo, body},
    world::START,
};

every! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Word {
        Ask,
        Answer,
        Notification,
        Redeem,
        Close,
        Leave,
        Finish,
        SetKey,
        Claim,
        Sweep,
    }
}

impl Word {
    fn body(self, channel: &JettonChannel, now: u32) -> Cell {
        match self {
            Self::Ask => jetton::ask(QUERY).unwrap(),
            Self::Answer => answer(Some(WALLET)),
            Self::Notification => plain_notification(ONE),
            Self::Redeem => redeem_body(channel, &voucher(3 * ONE, 5, now)),
            Self::Close => channel::plain(CLOSE, QUERY).unwrap(),
            Self::Leave => channel::plain(LEAVE, QUERY).unwrap(),
            Self::Finish => channel::plain(FINISH, QUERY).unwrap(),
            Self::SetKey => {
                channel::set_key(QUERY, &SecretKey::from_seed(&[5; 32]).public()).unwrap()
            }
            Self::Claim => jetton::claim(QUERY, &STRANGER).unwrap(),
            Self::Sweep => jetton::sweep(QUERY, units(1)).unwrap(),
        }
    }

    const fn value(self) -> u64 {
        if matches!(self, Self::Ask) { GRAM } else { ENOUGH }
    }
}

/// One of everything that the matrix says to a channel in a jetton.
pub(crate) fn words() -> Vec<Cell> {
    let channel = channel(Purpose::Account);
    Word::ALL.into_iter().map(|word| word.body(&channel, START)).collect()
}

every! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum State {
        /// Nobody has asked.
        Fresh,
        /// The master was asked, or knows its wallet: nothing in it.
        Opened,
        Open,
        /// With something owed to the payee.
        Owing,
        Closing,
        /// With something owed to both.
        Closed,
        /// Everybody has what is theirs.
        Over,
        /// The same, and nobody ever asked.
        Untold,
    }
}

impl State {
    fn reach(self, channel: &JettonChannel) -> Solo {
        match self {
            Self::Fresh => return fresh(channel),
            Self::Opened => return opened(channel),
            Self::Untold => {
                let mut solo = fresh(channel);
                assert_eq!(end(&mut solo, channel.terms.payee, LEAVE).exit, 0);
                return solo;
            }
            _ => {}
        }
        let mut solo = funded(channel);
        let (payer, payee) = (channel.terms.payer, channel.terms.payee);
        if matches!(self, Self::Owing | Self::Closing | Self::Closed | Self::Over) {
            let body = redeem_body(channel, &voucher(ONE, 1, solo.now));
            assert_eq!(solo.send(STRANGER, ENOUGH, body).exit, 0);
        }
        if matches!(self, Self::Closing | Self::Closed | Self::Over) {
            assert_eq!(end(&mut solo, payer, CLOSE).exit, 0);
        }
        if matches!(self, Self::Closed | Self::Over) {
            assert_eq!(end(&mut solo, payee, LEAVE).exit, 0);
        }
        if self == Self::Over {
            assert_eq!(claim(&mut solo, payer, payer).exit, 0);
            assert_eq!(claim(&mut solo, payee, payee).exit, 0);
        }
        solo
    }

    const fn status(self) -> ChannelStatus {
        match self {
            Self::Fresh | Self::Opened | Self::Open | Self::Owing => ChannelStatus::Open,
            Self::Closing => ChannelStatus::Closing,
            Self::Closed | Self::Over | Self::Untold => ChannelStatus::Closed,
        }
    }
}

const MOMENTS: [u32; 5] = [0, DELAY - 1, DELAY, DELAY + 1, 400 * 24 * 3600];

/// Is this word taken, and which status does it lead to?
fn allowed(
    word: Word,
    state: State,
    from: Address,
    after: u32,
    channel: &JettonChannel,
) -> Option<ChannelStatus> {
    use ChannelStatus as S;
    let (payer, payee) = (channel.terms.payer, channel.terms.payee);
    let now = state.status();
    let given = |condition: bool, next| condition.then_some(next);
    let live = now != S::Closed;
    let told = !matches!(state, State::Fresh | State::Untold);
    match word {
        Word::Ask => given(!told, now),
        Word::Answer => given(!told && from == MASTER, now),
        Word::Notification => given(told && live && from == WALLET, now),
        Word::Redeem => {
            let in_it = matches!(state, State::Open | State::Owing | State::Closing);
            given(in_it && (now == S::Open || after < DELAY), now)
        }
        Word::Close => given(now == S::Open && from == payer, S::Closing),
        Word::Leave => given(live && from == payee, S::Closed),
        Word::Finish => given(now == S::Closing && after >= DELAY, S::Closed),
        Word::SetKey => given(live && from == payee, now),
        Word::Claim => {
            let payees = matches!(state, State::Owing | State::Closing | State::Closed);
            given((from == payee && payees) || (from == payer && state == State::Closed), now)
        }
        Word::Sweep => {
            given(state == State::Over && from == payer && after >= jetton::SETTLING_TIME, now)
        }
    }
}

#[test]
fn every_word_to_a_jetton_channel_in_every_state_from_every_role_at_every_moment() {
    let (mut cells, mut taken) = (0, 0);
    for purpose in Purpose::ALL {
        let channel = channel(purpose);
        let address = channel.address().unwrap();
        let (payer, payee) = (channel.terms.payer, channel.terms.payee);
        for state in State::ALL {
            let at = state.reach(&channel);
            for after in MOMENTS {
                for word in Word::ALL {
                    for from in [payer, payee, STRANGER, MASTER, WALLET, address] {
                        let mut solo = at.clone();
                        solo.now = at.now + after;
                        let before = solo.stored();
                        let said = word.body(&channel, solo.now);
                        let ran = solo.receive(from, word.value(), said, Arrival::Sent);
                        let case = format!("{purpose:?} {state:?} {word:?} +{after} from {from}");
                        cells += 1;
                        if let Some(next) = allowed(word, state, from, after, &channel) {
                            taken += 1;
                            let now = data(&solo, &channel).core.status;
                            assert_eq!((ran.exit, now), (0, next), "{case}");
                        } else {
                            assert!((100..=143).contains(&ran.exit), "{case}: {}", ran.exit);
                            assert_eq!(solo.stored(), before, "{case}");
                            assert!(ran.sent.is_empty(), "{case}");
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cells, 2 * 8 * 5 * 10 * 6);
    fog_figures::figure!("cells of channels in jettons", "{cells} cells, {taken} of them allowed");
}

/// What our own parties say is parsed whole; what jettons say, as far as it concerns us.
#[test]
fn bent_messages_to_a_jetton_channel_are_refused() {
    let channel = channel(Purpose::Account);
    let (payer, payee) = (channel.terms.payer, channel.terms.payee);
    for state in State::ALL {
        let at = state.reach(&channel);
        let foreign = [Word::Answer, Word::Notification];
        for word in Word::ALL.into_iter().filter(|word| !foreign.contains(word)) {
            for bent in bends(&word.body(&channel, at.now)) {
                for from in [payer, payee] {
                    let mut solo = at.clone();
                    let ran = solo.receive(from, word.value(), bent.clone(), Arrival::Sent);
                    assert!(ran.exit != 0, "{state:?} {word:?} from {from}");
                    assert_eq!(solo.stored(), at.stored());
                }
            }
        }
        for op in [0x5600_0001, 0x5600_00ff, 0xd532_76db] {
            let mut solo = at.clone();
            assert_eq!(solo.send(payer, GRAM, body(op, 1, |_| ())).exit, 0xffff);
        }
    }
}

/// Anyone may pay its rent as long as anybody needs it; nothing it owes changes.
#[test]
fn top_ups_of_the_rent() {
    for purpose in Purpose::ALL {
        let channel = channel(purpose);
        for state in State::ALL {
            let mut solo = state.reach(&channel);
            let before = solo.stored();
            let ran = solo.send(STRANGER, GRAM, Cell::default());
            assert_eq!(
                ran.exit,
                if matches!(state, State::Over | State::Untold) { 101 } else { 0 },
                "{state:?}"
            );
            assert_eq!(solo.stored(), before);
        }
    }
}
