//! All orders of six messages around one bond: what is taken on, thrown back, freed, owed, put in and
//! withdrawn, against a model of a few lines.

use fog_contracts::{op, task};
use fog_protocol::Nano;

use super::{PUT_IN, bonded, data, free, freed, take_on, withdraw};
use crate::{
    alone::{GRAM, OPERATOR, QUERY},
    solo::{Arrival, Sent},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The node takes on a task for six of its ten GRAM.
    TakeOn,
    /// And another for as much.
    Other,
    /// The first ends without a verdict.
    Owed,
    /// The other's assignment comes back.
    Back,
    /// The node takes all out that it can.
    Withdraw,
    /// Or all there is.
    WithdrawAll,
    PutIn,
}

const PRICE: Nano = Nano::grams(6);

#[derive(Default)]
struct Model {
    bond: u64,
    reserved: u64,
    open: bool,
    other: Option<Sent>,
    out: u64,
    paid: u64,
    put_in: u64,
}

fn orders(items: &mut [Step], from: usize, visit: &mut impl FnMut(&[Step])) {
    if from == items.len() {
        return visit(items);
    }
    for index in from..items.len() {
        items.swap(from, index);
        orders(items, from + 1, visit);
        items.swap(from, index);
    }
}

fn play(steps: &[Step]) -> Model {
    let mut bond = bonded();
    let mut model = Model { bond: PUT_IN.get(), put_in: PUT_IN.get(), ..Model::default() };
    for step in steps {
        let fits = model.bond - model.reserved >= PRICE.get();
        let case = format!("{steps:?} at {step:?}");
        match step {
            Step::TakeOn | Step::Other => {
                let id = if *step == Step::TakeOn { 1 } else { 2 };
                let ran = take_on(&mut bond, id, PRICE);
                assert_eq!(ran.exit, if fits { 0 } else { 120 }, "{case}");
                model.reserved += if fits { PRICE.get() } else { 0 };
                if fits && id == 1 {
                    model.open = true;
                } else if fits {
                    model.other = Some(ran.the(task::op::ASSIGN).clone());
                }
            }
            // Only what was taken on can end.
            Step::Owed if std::mem::take(&mut model.open) => {
                let ran = free(&mut bond, &freed(1, PRICE, PRICE));
                assert_eq!(ran.the(op::COMPENSATION).value, PRICE.get(), "{case}");
                model.reserved -= PRICE.get();
                model.bond -= PRICE.get();
                model.paid += PRICE.get();
            }
            Step::Back => {
                let Some(sent) = model.other.take() else { continue };
                let body = sent.bounced(101);
                let ran = bond.receive(sent.to, sent.value, body, Arrival::Bounced);
                assert_eq!(ran.the(op::NOT_TAKEN).to, OPERATOR, "{case}");
                model.reserved -= PRICE.get();
            }
            Step::Withdraw | Step::WithdrawAll => {
                let free = model.bond - model.reserved;
                let taken = if *step == Step::Withdraw { free } else { model.bond };
                let code = match taken {
                    0 => 114,
                    _ if taken > free => 120,
                    _ => 0,
                };
                let ran = withdraw(&mut bond, Nano::new(taken));
                assert_eq!(ran.exit, code, "{case}");
                if code == 0 {
                    model.bond -= taken;
                    model.out += taken;
                    assert!(ran.the(op::PAYOUT).value >= taken, "{case}");
                }
            }
            Step::PutIn => {
                let body = fog_contracts::operator::bond(QUERY, PRICE).unwrap();
                assert_eq!(bond.send(OPERATOR, PRICE.get() + GRAM, body).exit, 0, "{case}");
                model.bond += PRICE.get();
                model.put_in += PRICE.get();
            }
            Step::Owed => {}
        }
        let data = data(&bond);
        assert_eq!((data.bond.get(), data.reserved.get()), (model.bond, model.reserved), "{case}");
        assert!(model.reserved <= model.bond && bond.balance >= model.bond, "{case}");
        assert_eq!(model.bond + model.out + model.paid, model.put_in, "{case}");
    }
    model
}

#[test]
fn in_every_order_what_is_reserved_is_there() {
    let casts = [
        [Step::TakeOn, Step::Other, Step::Owed, Step::Back, Step::Withdraw, Step::PutIn],
        [Step::TakeOn, Step::Owed, Step::WithdrawAll, Step::Withdraw, Step::Other, Step::PutIn],
        [Step::TakeOn, Step::Owed, Step::WithdrawAll, Step::Other, Step::Back, Step::PutIn],
    ];
    let (mut played, mut paid, mut emptied) = (0, 0, 0);
    for mut cast in casts {
        orders(&mut cast, 0, &mut |steps| {
            let model = play(steps);
            played += 1;
            paid += u32::from(model.paid > 0);
            emptied += u32::from(model.bond == 0);
        });
    }
    fog_figures::figure!(
        "orders around bonds",
        "{played} orders: {paid} paid a worker, {emptied} emptied the bond"
    );
    assert_eq!(played, 3 * 720);
    assert!(paid > 500 && emptied > 100);
}
