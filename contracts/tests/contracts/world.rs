//! A market with everybody in it.

use std::collections::BTreeMap;

use fog_contracts::{
    ASSIGN_VALUE, CHALLENGE_VALUE, COMMIT_VALUE, Consent, END_VALUE, FUND_VALUE, MARKET_VALUE,
    Notify, OPERATOR_RENT, OWNER_VALUE, PROVE_VALUE, STAKE_RENT, TaskState, VerdictTerms,
    commit_hash, consent_hash, dispute,
    market::{self, Choice, Config, MarketInit},
    operator::{self, OperatorData, OperatorInit},
    ruling_hash, ruling_value,
    stake::{self, StakeData, StakeInit},
    task::{self, Assign, Outcome, ProofRole, TaskData, TaskInit, Terms, Verdict},
    verdict_hash, verdict_value,
};
use fog_protocol::{Address, Hash32, Nano, SecretKey, Signature};
use fog_testnet::chain::{Chain, ChainConfig, Clock, Receipt, Transfer, Treasury};
use tycho_types::{
    cell::{Cell, HashBytes},
    models::{MsgInfo, StateInit, StdAddr},
};

use crate::{alone::COUNTER_EVIDENCE, bouncing::as_declared, proving};

pub(crate) const START: u32 = 1_760_000_000;
pub(crate) const PRICE: Nano = Nano::new(1_000_000_000);
pub(crate) const RESERVE: Nano = Nano::new(3_000_000_000);
pub(crate) const STEP: u32 = 600;
pub(crate) const WINDOW: u32 = 60;
/// Seconds from a challenge to its decision.
pub(crate) const APPEAL: u32 = 500;
pub(crate) const UNBONDING: u32 = 3601 * 3 + APPEAL;
pub(crate) const FEE_BPS: u16 = 250;
/// The node's part of the fee.
pub(crate) const OPERATOR_BPS: u16 = 4000;
pub(crate) const CHALLENGE_BOND: Nano = Nano::new(500_000_000);
/// What the node has put into its bond.
pub(crate) const BOND: Nano = Nano::grams(200);
pub(crate) const TIMELOCK: u32 = 86_400;
/// What everybody begins with.
pub(crate) const FUNDS: u64 = 1_000_000_000_000;

pub(crate) fn std(address: &Address) -> StdAddr {
    StdAddr::new(address.workchain, HashBytes(address.hash.0))
}

pub(crate) fn ours(address: &StdAddr) -> Address {
    Address { workchain: address.workchain, hash: Hash32(address.address.0) }
}

pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) owner: Treasury,
    pub(crate) requestor: Treasury,
    pub(crate) operator: Treasury,
    pub(crate) worker: Treasury,
    pub(crate) stranger: Treasury,
    pub(crate) treasury: Address,
    pub(crate) burn: Address,
    pub(crate) session: SecretKey,
    pub(crate) verifiers: Vec<SecretKey>,
    pub(crate) market: Address,
    pub(crate) stake: StakeInit,
    /// The node's bond.
    pub(crate) bond: OperatorInit,
    pub(crate) query: u64,
    /// What the next message carries instead of the usual.
    pub(crate) attach: Option<u64>,
}

/// What the node earns of a fee.
pub(crate) const fn earned(fee: u64) -> u64 {
    fee * OPERATOR_BPS as u64 / 10_000
}

/// A configuration of the tests' market.
pub(crate) fn config(
    threshold: u8,
    verifiers: &[SecretKey],
    treasury: Address,
    burn: Address,
) -> Config {
    let count = u8::try_from(verifiers.len()).unwrap();
    Config::of(Choice {
        min_step: 10,
        max_step: 3600,
        timelock: TIMELOCK,
        threshold,
        fee_bps: FEE_BPS,
        treasury,
        verifiers: verifiers.iter().map(SecretKey::public).collect(),
        unbonding: UNBONDING,
        operator_bps: OPERATOR_BPS,
        appeal: count.min(threshold + 1),
        appeal_time: APPEAL,
        challenge_bond: CHALLENGE_BOND,
        burn,
    })
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_verifiers(2, 3)
    }

    /// A market with `count` verifiers, of whom `threshold` must sign.
    pub(crate) fn with_verifiers(threshold: u8, count: u8) -> Self {
        let settings = ChainConfig { clock: Clock::Manual(START), ..ChainConfig::default() };
        Self::on(settings, threshold, count)
    }

    /// The same on a chain of these settings; what it does not deliver by itself is under way.
    pub(crate) fn on(settings: ChainConfig, threshold: u8, count: u8) -> Self {
        let mut chain = Chain::new_in_memory(settings).unwrap();
        let mut party = |salt| {
            let party = chain.open_treasury(salt, FUNDS.into()).unwrap();
            while chain.backlog() > 0 {
                chain.mine().unwrap();
            }
            party
        };
        let (owner, requestor, operator) = (party(1), party(2), party(3));
        let (worker, stranger) = (party(4), party(5));
        let verifiers: Vec<_> = (0..count).map(|i| SecretKey::from_seed(&[100 + i; 32])).collect();
        let treasury = Address::basechain([0xee; 32]);
        let burn = Address::basechain([0; 32]);
        let init = MarketInit { owner: ours(&owner.address), salt: 7 };
        let market = init.address().unwrap();
        let config = config(threshold, &verifiers, treasury, burn);
        let stake = config.stake_of(market, ours(&worker.address));
        let bond = config.operator_of(market, ours(&operator.address));
        let mut world = Self {
            chain,
            owner: owner.clone(),
            requestor,
            operator,
            worker,
            stranger,
            treasury,
            burn,
            session: SecretKey::from_seed(&[9; 32]),
            verifiers,
            market,
            stake,
            bond,
            query: 0,
            attach: None,
        };
        let body = market::setup(1, &config).unwrap();
        world.deploy(&owner, market, Nano::grams(1), init.state_init().unwrap(), body);
        let operator = world.operator.clone();
        assert_eq!(failures(&world.add_bond(&operator, BOND)), [0; 0]);
        world
    }

    pub(crate) fn next_query(&mut self) -> u64 {
        self.query += 1;
        self.query
    }

    pub(crate) fn deploy(
        &mut self,
        from: &Treasury,
        to: Address,
        value: Nano,
        init: StateInit,
        body: Cell,
    ) -> Receipt {
        let value = self.attach.take().unwrap_or(value.get());
        let transfer = Transfer::deploy(std(&to), value.into(), init, body);
        as_declared(self.chain.send_from(from, &transfer).unwrap())
    }

    pub(crate) fn call(
        &mut self,
        from: &Treasury,
        to: Address,
        value: Nano,
        body: Cell,
    ) -> Receipt {
        let value = self.attach.take().unwrap_or(value.get());
        let transfer = Transfer::call(std(&to), value.into(), body);
        as_declared(self.chain.send_from(from, &transfer).unwrap())
    }

    pub(crate) fn deposit(&mut self, amount: Nano) -> Receipt {
        let (worker, stake) = (self.worker.clone(), self.stake);
        let body = stake::deposit(self.next_query(), amount, &self.session.public()).unwrap();
        let value = amount.saturating_add(STAKE_RENT);
        self.deploy(&worker, stake.address().unwrap(), value, stake.state_init().unwrap(), body)
    }

    pub(crate) fn task_init(&self, id: u8) -> TaskInit {
        TaskInit {
            market: self.market,
            requestor: ours(&self.requestor.address),
            operator: ours(&self.operator.address),
            terms: Terms {
                id: Hash32([id; 32]),
                price: PRICE,
                damages: PRICE,
                bid: STEP,
                commit: STEP,
                verdict: STEP,
                window: WINDOW,
                proof: ProofRole::None,
            },
        }
    }

    /// Terms that a proof decides.
    pub(crate) fn proof_init(&self, id: u8) -> TaskInit {
        let mut init = self.task_init(id);
        init.terms.proof = ProofRole::Decides(proving::statement().hash().unwrap());
        init
    }

    /// Puts money into the node's bond.
    pub(crate) fn add_bond(&mut self, from: &Treasury, amount: Nano) -> Receipt {
        let bond = self.bond;
        let body = operator::bond(self.next_query(), amount).unwrap();
        let value = amount.saturating_add(OPERATOR_RENT);
        self.deploy(from, bond.address().unwrap(), value, bond.state_init().unwrap(), body)
    }

    pub(crate) fn bond(&self) -> OperatorData {
        let address = self.bond.address().unwrap();
        let view = self.chain.account(&std(&address)).unwrap();
        OperatorData::parse(&view.data.expect("the bond is deployed")).unwrap()
    }

    pub(crate) fn prove_from(&mut self, from: &Treasury, task: Address) -> Receipt {
        let prove = proving::prove_for(task, self.stake.address().unwrap());
        let body = prove.body(self.next_query()).unwrap();
        self.call(from, task, PROVE_VALUE, body)
    }

    pub(crate) fn fund(&mut self, init: &TaskInit) -> Receipt {
        let requestor = self.requestor.clone();
        let body = task::fund(self.next_query()).unwrap();
        let value = init.terms.price.saturating_add(FUND_VALUE);
        self.deploy(&requestor, init.address().unwrap(), value, init.state_init().unwrap(), body)
    }

    pub(crate) fn consent(&self, task: Address, price: Nano, reserve: Nano) -> Signature {
        let consent = Consent {
            network: -3,
            stake: self.stake.address().unwrap(),
            task,
            reserve,
            price,
            valid_until: self.chain.now() + 300,
        };
        self.session.sign(&consent_hash(&consent).unwrap().0)
    }

    pub(crate) fn assign(&mut self, task: Address) -> Receipt {
        let consent = self.consent(task, PRICE, RESERVE);
        self.assign_with(task, RESERVE, consent)
    }

    pub(crate) fn assign_with(
        &mut self,
        task: Address,
        reserve: Nano,
        consent: Signature,
    ) -> Receipt {
        let valid_until = self.chain.now() + 300;
        let owner = ours(&self.worker.address);
        let assign = Assign { owner, price: PRICE, reserve, valid_until, consent };
        let operator = self.operator.clone();
        self.take_on(&operator, task, &assign)
    }

    /// An assignment, through the node's bond.
    pub(crate) fn take_on(&mut self, from: &Treasury, task: Address, assign: &Assign) -> Receipt {
        let body = operator::take_on(self.next_query(), &task, assign).unwrap();
        let bond = self.bond.address().unwrap();
        self.call(from, bond, ASSIGN_VALUE, body)
    }

    pub(crate) fn commit(&mut self, task: Address, commitment: Hash32) -> Receipt {
        let operator = self.operator.clone();
        self.commit_from(&operator, task, commitment)
    }

    pub(crate) fn commit_from(
        &mut self,
        from: &Treasury,
        task: Address,
        commitment: Hash32,
    ) -> Receipt {
        let hash = commit_hash(-3, &task, &commitment).unwrap();
        let signature = self.session.sign(&hash.0);
        let body = task::commit(self.next_query(), &commitment, &signature).unwrap();
        self.call(from, task, COMMIT_VALUE, body)
    }

    pub(crate) fn verdict_body(
        &mut self,
        task: Address,
        commitment: Hash32,
        outcome: Outcome,
        signers: &[u8],
    ) -> Cell {
        let valid_until = self.chain.now() + 300;
        let evidence = Hash32([0xab; 32]);
        let terms = VerdictTerms {
            network: -3,
            task,
            stake: self.stake.address().unwrap(),
            price: PRICE,
            commitment,
            outcome,
            evidence,
            valid_until,
        };
        let hash = verdict_hash(&terms).unwrap();
        let signatures: BTreeMap<_, _> = signers
            .iter()
            .map(|index| (*index, self.verifiers[usize::from(*index)].sign(&hash.0)))
            .collect();
        task::verdict(self.next_query(), &Verdict { outcome, evidence, valid_until, signatures })
            .unwrap()
    }

    pub(crate) fn verdict(
        &mut self,
        task: Address,
        commitment: Hash32,
        outcome: Outcome,
        signers: &[u8],
    ) -> Receipt {
        let operator = self.operator.clone();
        self.verdict_from(&operator, task, commitment, outcome, signers)
    }

    pub(crate) fn verdict_from(
        &mut self,
        from: &Treasury,
        task: Address,
        commitment: Hash32,
        outcome: Outcome,
        signers: &[u8],
    ) -> Receipt {
        let body = self.verdict_body(task, commitment, outcome, signers);
        let signatures = u8::try_from(signers.len()).unwrap();
        self.call(from, task, verdict_value(signatures), body)
    }

    /// Disputes a verdict.
    pub(crate) fn challenge(&mut self, from: &Treasury, task: Address) -> Receipt {
        let body = dispute::challenge(self.next_query(), &COUNTER_EVIDENCE).unwrap();
        self.call(from, task, CHALLENGE_BOND.saturating_add(CHALLENGE_VALUE), body)
    }

    /// A ruling on a disputed verdict.
    pub(crate) fn rule(
        &mut self,
        from: &Treasury,
        task: Address,
        commitment: Hash32,
        outcome: Outcome,
        signers: &[u8],
    ) -> Receipt {
        let valid_until = self.chain.now() + 300;
        let terms = VerdictTerms {
            network: -3,
            task,
            stake: self.stake.address().unwrap(),
            price: PRICE,
            commitment,
            outcome,
            evidence: COUNTER_EVIDENCE,
            valid_until,
        };
        let hash = ruling_hash(&terms).unwrap();
        let sign = |index: &u8| (*index, self.verifiers[usize::from(*index)].sign(&hash.0));
        let signatures = signers.iter().map(sign).collect();
        let ruling = Verdict { outcome, evidence: COUNTER_EVIDENCE, valid_until, signatures };
        let body = dispute::ruling(self.next_query(), &ruling).unwrap();
        let signatures = u8::try_from(signers.len()).unwrap();
        self.call(from, task, ruling_value(signatures), body)
    }

    /// Terms where a proof overrules a verdict.
    pub(crate) fn overruled_init(&self, id: u8) -> TaskInit {
        let mut init = self.task_init(id);
        init.terms.proof = ProofRole::Overrules(proving::statement().hash().unwrap());
        init
    }

    /// What the node asks of its bond.
    pub(crate) fn bond_op(&mut self, from: &Treasury, body: Cell) -> Receipt {
        let bond = self.bond.address().unwrap();
        self.call(from, bond, OWNER_VALUE, body)
    }

    pub(crate) fn push(&mut self, from: &Treasury, task: Address, body: Cell) -> Receipt {
        self.call(from, task, END_VALUE, body)
    }

    pub(crate) fn owner_op(&mut self, body: Cell) -> Receipt {
        let (worker, stake) = (self.worker.clone(), self.stake.address().unwrap());
        self.call(&worker, stake, OWNER_VALUE, body)
    }

    pub(crate) fn market_op(&mut self, from: &Treasury, body: Cell) -> Receipt {
        self.call(from, self.market, MARKET_VALUE, body)
    }

    /// The task's data; `None` before it is deployed.
    pub(crate) fn task(&self, task: &Address) -> Option<TaskData> {
        let view = self.chain.account(&std(task)).unwrap();
        view.data.map(|data| crate::alone::read(&data))
    }

    pub(crate) fn state(&self, task: &Address) -> Option<TaskState> {
        self.task(task).map(|data| data.state)
    }

    pub(crate) fn stake(&self) -> StakeData {
        let address = self.stake.address().unwrap();
        let view = self.chain.account(&std(&address)).unwrap();
        StakeData::parse(&view.data.expect("the stake is deployed")).unwrap()
    }

    pub(crate) fn balance(&self, address: &Address) -> u64 {
        u64::try_from(self.chain.account(&std(address)).unwrap().balance).unwrap()
    }

    /// Is all that is left of the task its tombstone?
    pub(crate) fn is_ended(&self, task: &Address) -> bool {
        self.task(task).is_some_and(|data| {
            data.state.is_end() && data.escrowed == Nano::ZERO && data.work.is_none()
        })
    }

    /// Genesis supply = balances + in flight + fees + burned, to the nanogram.
    pub(crate) fn assert_conserved(&self) {
        let totals = self.chain.totals();
        let held = self.chain.total_balances().unwrap();
        assert_eq!(
            totals.supply,
            held + totals.in_flight + totals.network_fees_collected + totals.burned
        );
    }
}

/// Notices to the operator among a receipt's transactions, in order.
pub(crate) fn notices(receipt: &Receipt) -> Vec<Notify> {
    let mut notices = Vec::new();
    for record in &receipt.transactions {
        for message in record.out_msgs().unwrap() {
            if let MsgInfo::Int(_) = message.info {
                let body = message.body.1.clone();
                let slice = tycho_types::cell::CellSlice::apply(&message.body).unwrap();
                let mut builder = tycho_types::cell::CellBuilder::new();
                builder.store_slice(slice).unwrap();
                notices.extend(Notify::parse(&builder.build().unwrap()).ok());
                drop(body);
            }
        }
    }
    notices
}

/// Exit codes of a receipt's transactions that did not end well.
pub(crate) fn failures(receipt: &Receipt) -> Vec<i32> {
    receipt
        .transactions
        .iter()
        .filter_map(|record| record.exit_code().unwrap())
        .filter(|code| *code > 1 || *code < 0)
        .collect()
}
