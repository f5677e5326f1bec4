//! Proofs for tests, made from the secrets of a setup: they satisfy the same equation as those of a
//! prover with a witness, and are as hard to make for anybody without the secrets. Being able to
//! choose everything, a test can also try what no prover would make. (Real circuits meet the
//! contract in `fog demo`.)

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex},
};

use ark_bls12_381::Fr;
use ark_ff::{BigInteger as _, Field as _, PrimeField as _};
use blst::{min_pk, min_sig};
use fog_contracts::proof::{
    Context, G1Bytes, G2Bytes, Proof, Prove, Statement, VerifyingKey, binding, result_cell,
    result_hash,
};
use fog_protocol::{Address, Hash32, tagged_hash};

pub(crate) const INPUT: Hash32 = Hash32([0x33; 32]);
pub(crate) const RESULT: &[u8] = b"forty-two";
pub(crate) const NETWORK: i32 = -3;

/// The number times the generator.
pub(crate) fn g1(scalar: Fr) -> G1Bytes {
    let bytes = scalar.into_bigint().to_bytes_be();
    min_pk::SecretKey::from_bytes(&bytes).unwrap().sk_to_pk().compress()
}

pub(crate) fn g2(scalar: Fr) -> G2Bytes {
    let bytes = scalar.into_bigint().to_bytes_be();
    min_sig::SecretKey::from_bytes(&bytes).unwrap().sk_to_pk().compress()
}

/// A number nobody else has.
pub(crate) fn scalar(name: &str) -> Fr {
    Fr::from_be_bytes_mod_order(&tagged_hash("fog/test/scalar", &[name.as_bytes()]).0)
}

pub(crate) fn number(binding: &Hash32) -> Fr {
    Fr::from_be_bytes_mod_order(&binding.0)
}

/// The secrets of a setup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Secrets {
    pub(crate) alpha: Fr,
    pub(crate) beta: Fr,
    pub(crate) gamma: Fr,
    pub(crate) delta: Fr,
    pub(crate) ic: [Fr; 2],
}

impl Secrets {
    pub(crate) fn of(name: &str) -> Self {
        let secret = |part: &str| scalar(&format!("{name} {part}"));
        Self {
            alpha: secret("alpha"),
            beta: secret("beta"),
            gamma: secret("gamma"),
            delta: secret("delta"),
            ic: [secret("constant"), secret("binding")],
        }
    }

    pub(crate) fn key(&self) -> VerifyingKey {
        VerifyingKey {
            alpha: g1(self.alpha),
            beta: g2(self.beta),
            gamma: g2(self.gamma),
            delta: g2(self.delta),
            ic: self.ic.map(g1),
        }
    }

    /// C of a proof with these A and B.
    pub(crate) fn third(&self, x: Fr, a: Fr, b: Fr) -> Fr {
        let claim = (self.ic[0] + x * self.ic[1]) * self.gamma;
        (a * b - self.alpha * self.beta - claim) * self.delta.inverse().unwrap()
    }

    /// A proof for this public input; another `salt` makes another one.
    pub(crate) fn prove(&self, x: Fr, salt: &str) -> Proof {
        let (a, b) = (scalar(&format!("a {salt}")), scalar(&format!("b {salt}")));
        Proof { a: g1(a), b: g2(b), c: g1(self.third(x, a, b)) }
    }
}

pub(crate) fn secrets() -> Secrets {
    Secrets::of("the circuit's")
}

pub(crate) fn statement() -> Statement {
    static MADE: LazyLock<Statement> =
        LazyLock::new(|| Statement { input: INPUT, key: secrets().key() });
    *MADE
}

pub(crate) fn binding_for(task: Address, stake: Address) -> Hash32 {
    binding_of(Context { network: NETWORK, task, stake }, &INPUT, RESULT)
}

pub(crate) fn binding_of(context: Context, input: &Hash32, result: &[u8]) -> Hash32 {
    binding(&context.hash().unwrap(), input, &result_hash(result).unwrap())
}

/// The right message for this task and this worker's stake.
pub(crate) fn prove_for(task: Address, stake: Address) -> Prove {
    // Making one takes longer than everything else in a test.
    static MADE: LazyLock<Mutex<BTreeMap<(Address, Address), Prove>>> =
        LazyLock::new(Mutex::default);
    let make = || Prove {
        statement: statement(),
        proof: secrets().prove(number(&binding_for(task, stake)), "first"),
        result: result_cell(RESULT).unwrap(),
    };
    MADE.lock().unwrap().entry((task, stake)).or_insert_with(make).clone()
}
