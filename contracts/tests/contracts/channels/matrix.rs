//! Every (word, state, role, moment) of both contracts, against one table.

use fog_contracts::channel::{self, Channel, ChannelStatus, Purpose};
use fog_protocol::{Address, Nano, SecretKey};
use tycho_types::cell::{Cell, CellBuilder};

use super::kit::{
    CLOSE, DELAY, ENOUGH, FINISH, LEAVE, PUT_IN, channel, data, end, fresh, funded, redeem_body,
    voucher,
};
use crate::{
    alone::{GRAM, MARKET, QUERY, STRANGER},
    cells::every,
    solo::{Arrival, Solo, body},
    world::START,
};

every! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Word {
        TopUp,
        Redeem,
        Close,
        Leave,
        Finish,
        SetKey,
    }
}

impl Word {
    fn body(self, channel: &Channel, now: u32) -> Cell {
        match self {
            Self::TopUp => channel::top_up(QUERY, Nano::grams(1)).unwrap(),
            Self::Redeem => redeem_body(channel, &voucher(GRAM, 1, now)),
            Self::Close => channel::plain(CLOSE, QUERY).unwrap(),
            Self::Leave => channel::plain(LEAVE, QUERY).unwrap(),
            Self::Finish => channel::plain(FINISH, QUERY).unwrap(),
            Self::SetKey => {
                channel::set_key(QUERY, &SecretKey::from_seed(&[5; 32]).public()).unwrap()
            }
        }
    }

    fn value(self) -> u64 {
        if self == Self::TopUp { 2 * GRAM } else { ENOUGH }
    }
}

/// One of everything that the matrix says to a channel.
pub(crate) fn words() -> Vec<Cell> {
    let channel = channel(Purpose::Account);
    Word::ALL.into_iter().map(|word| word.body(&channel, START)).collect()
}

every! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum State {
        Fresh,
        Open,
        Closing,
        Closed,
    }
}

impl State {
    fn reach(self, channel: &Channel) -> Solo {
        let mut solo = if self == Self::Fresh { fresh(channel) } else { funded(channel) };
        if matches!(self, Self::Closing | Self::Closed) {
            assert_eq!(end(&mut solo, channel.payer, CLOSE).exit, 0);
        }
        if self == Self::Closed {
            assert_eq!(end(&mut solo, channel.payee, LEAVE).exit, 0);
        }
        solo
    }
}

/// Seconds after the notice, or after anything in states without one.
const MOMENTS: [u32; 5] = [0, DELAY - 1, DELAY, DELAY + 1, 400 * 24 * 3600];

/// The state a word leads to; `None` where it must be refused.
fn allowed(
    word: Word,
    state: State,
    from: Address,
    after: u32,
    channel: &Channel,
) -> Option<ChannelStatus> {
    use ChannelStatus as S;
    let given = |condition: bool, next| condition.then_some(next);
    let same = if state == State::Closing { S::Closing } else { S::Open };
    match (state, word) {
        (State::Closed, _) => None,
        (_, Word::TopUp) => Some(same),
        (State::Open, Word::Redeem) => Some(S::Open),
        (State::Closing, Word::Redeem) => given(after < DELAY, S::Closing),
        (State::Fresh | State::Open, Word::Close) => given(from == channel.payer, S::Closing),
        (_, Word::Leave) => given(from == channel.payee, S::Closed),
        (State::Closing, Word::Finish) => given(after >= DELAY, S::Closed),
        (_, Word::SetKey) => given(from == channel.payee, same),
        (State::Fresh, Word::Redeem) | (State::Closing, Word::Close) | (_, Word::Finish) => None,
    }
}

#[test]
fn every_word_to_a_channel_in_every_state_from_every_role_at_every_moment() {
    let (mut cells, mut taken) = (0, 0);
    for purpose in Purpose::ALL {
        let channel = channel(purpose);
        let address = channel.address().unwrap();
        for state in State::ALL {
            let at = state.reach(&channel);
            for after in MOMENTS {
                for word in Word::ALL {
                    for from in [channel.payer, channel.payee, STRANGER, MARKET, address] {
                        let mut solo = at.clone();
                        solo.now = at.now + after;
                        let before = solo.stored();
                        let ran = solo.receive(
                            from,
                            word.value(),
                            word.body(&channel, solo.now),
                            Arrival::Sent,
                        );
                        let case = format!("{purpose:?} {state:?} {word:?} +{after} from {from}");
                        cells += 1;
                        if let Some(next) = allowed(word, state, from, after, &channel) {
                            taken += 1;
                            let now = data(&solo, &channel).status;
                            assert_eq!((ran.exit, now), (0, next), "{case}");
                        } else {
                            assert!((100..=142).contains(&ran.exit), "{case}: {}", ran.exit);
                            assert_eq!(solo.stored(), before, "{case}");
                            assert!(ran.sent.is_empty(), "{case}");
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cells, 2 * 4 * 5 * 6 * 5);
    fog_figures::figure!(
        "cells of accounts and earnings",
        "{cells} cells, {taken} of them allowed"
    );
}

/// Parsing is whole, in the message and in every cell it carries.
#[test]
fn bent_messages_to_a_channel_are_refused() {
    for purpose in Purpose::ALL {
        let channel = channel(purpose);
        for state in State::ALL {
            let at = state.reach(&channel);
            for word in Word::ALL {
                let whole = word.body(&channel, at.now);
                for bent in bends(&whole) {
                    for from in [channel.payer, channel.payee] {
                        let mut solo = at.clone();
                        let ran = solo.receive(from, word.value(), bent.clone(), Arrival::Sent);
                        assert!(ran.exit != 0, "{state:?} {word:?} from {from}");
                        assert_eq!(solo.stored(), at.stored());
                    }
                }
            }
            let mut solo = at.clone();
            let ran = solo.send(channel.payer, GRAM, body(0x5600_00ff, 1, |_| ()));
            assert_eq!(ran.exit, 0xffff);
        }
    }
}

/// One bit more, one reference more, one bit less: in the body and in each cell below it.
pub(crate) fn bends(whole: &Cell) -> Vec<Cell> {
    let mut bent: Vec<Cell> = (0..3).filter_map(|how| bend(whole, how)).collect();
    for child in 0..whole.reference_count() {
        for how in 0..3 {
            let changed = bend(&whole.reference_cloned(child).unwrap(), how).unwrap();
            let mut builder = CellBuilder::new();
            let slice = whole.as_slice().unwrap();
            builder.store_slice_data(slice).unwrap();
            for index in 0..whole.reference_count() {
                let same = whole.reference_cloned(index).unwrap();
                let cell = if index == child { changed.clone() } else { same };
                builder.store_reference(cell).unwrap();
            }
            bent.push(builder.build().unwrap());
        }
    }
    bent
}

fn bend(cell: &Cell, how: u8) -> Option<Cell> {
    let mut builder = CellBuilder::new();
    let mut slice = cell.as_slice().unwrap();
    match how {
        0 => {
            builder.store_slice(slice).ok()?;
            builder.store_bit_one().ok()?;
        }
        1 => {
            builder.store_slice(slice).ok()?;
            builder.store_reference(Cell::default()).ok()?;
        }
        _ => {
            slice.skip_last(1, 0).ok()?;
            builder.store_slice(slice).ok()?;
        }
    }
    Some(builder.build().unwrap())
}

/// Anyone may pay a channel's rent until it is closed; nothing it owes changes.
#[test]
fn top_ups_of_the_rent() {
    for purpose in Purpose::ALL {
        let channel = channel(purpose);
        for state in State::ALL {
            let mut solo = state.reach(&channel);
            let before = (solo.stored(), solo.balance);
            let ran = solo.send(STRANGER, GRAM, Cell::default());
            assert_eq!(ran.exit, if state == State::Closed { 101 } else { 0 }, "{state:?}");
            assert_eq!(solo.stored(), before.0);
        }
    }
}

/// Bounces do nothing: all is sent without.
#[test]
fn bounces_do_nothing_to_a_channel() {
    for purpose in Purpose::ALL {
        let channel = channel(purpose);
        for state in [State::Open, State::Closing, State::Closed] {
            let at = state.reach(&channel);
            for word in Word::ALL {
                let mut solo = at.clone();
                let ran = solo.receive(
                    channel.payee,
                    GRAM,
                    word.body(&channel, at.now),
                    Arrival::Bounced,
                );
                assert_eq!((ran.exit, ran.sent.len()), (0, 0));
                assert_eq!(solo.stored(), at.stored());
            }
        }
        let mut solo = funded(&channel);
        let mut later = funded(&channel);
        let close = end(&mut solo, channel.payer, CLOSE);
        let redeemed = super::kit::pay(&mut solo, &channel, GRAM, 1);
        let leave = end(&mut later, channel.payee, LEAVE);
        let all: Vec<_> = [close, redeemed, leave].into_iter().flat_map(|ran| ran.sent).collect();
        assert!(all.len() >= 6 && all.iter().all(|message| !message.bounce), "{all:?}");
        assert_eq!(data(&later, &channel).balance, Nano::ZERO);
        assert!(data(&solo, &channel).balance < PUT_IN);
    }
}
