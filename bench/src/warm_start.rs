//! A run from a pool of instances against one whose memory is mapped for it.

use anyhow::{Context, Result, ensure};
use fog_verifier::sandbox::{Allocation, Exit, Job, Prepared, Sandbox, SandboxConfig};

use crate::meter::{Reading, in_turns};

const WORDCOUNT: &[u8] = include_bytes!("../../cli/guests/wordcount.wasm");
/// Ends at once: what is left is making the instance and tearing it down.
const EMPTY: &str = r#"(module
  (memory (export "memory") 17)
  (data (i32.const 1024) "something to be mapped")
  (table 16 funcref)
  (func (export "_start")))"#;

struct Side {
    sandbox: Sandbox,
    empty: Prepared,
    wordcount: Prepared,
}

impl Side {
    fn new(allocation: Allocation) -> Result<Self> {
        let sandbox = Sandbox::new(SandboxConfig { allocation, ..SandboxConfig::default() });
        let limits = Job::new([]).limits;
        let empty = sandbox.load(&sandbox.compile(&wat::parse_str(EMPTY)?, &limits)??)?;
        let wordcount = sandbox.load(&sandbox.compile(WORDCOUNT, &limits)??)?;
        Ok(Self { sandbox, empty, wordcount })
    }

    fn run(&self, module: &Prepared, input: &[u8]) -> Result<()> {
        let outcome = self.sandbox.execute(module, Job::new(input))??;
        ensure!(outcome.exit == Exit::Success, "the guest ended as {:?}", outcome.exit);
        Ok(())
    }
}

/// `execute` of a prepared module whose `_start` returns at once, all our checks included.
pub(crate) fn measure() -> Result<Reading> {
    let pooled = Side::new(Allocation::Pooled { instances: 2 }).context("pooled")?;
    let mapped = Side::new(Allocation::OnDemand).context("on demand")?;
    let (ours, theirs) =
        in_turns(60, 200, || pooled.run(&pooled.empty, b""), || mapped.run(&mapped.empty, b""))?;
    let words = b"fog market fog";
    let (our_words, their_words) = in_turns(
        40,
        100,
        || pooled.run(&pooled.wordcount, words),
        || mapped.run(&mapped.wordcount, words),
    )?;
    Ok(Reading {
        ours: ours / 1e3,
        theirs: theirs / 1e3,
        unit: "us",
        against: "on-demand instances",
        goal: 0.5,
        note: format!(
            "counting three words: {:.1} us pooled, {:.1} us on demand",
            our_words / 1e3,
            their_words / 1e3
        ),
    })
}
