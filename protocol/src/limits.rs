//! What one run of a program may use.

use serde::{Deserialize, Serialize};

use crate::listing::{ListingError, within};

const MAX_FUEL: u64 = 1_000_000_000_000;
const MAX_MEMORY: u64 = 4 << 30;
const MAX_OUTPUT: u64 = 64 << 20;
const MIN_STACK: u32 = 16 << 10;
const MAX_STACK: u32 = 1 << 20;
const MAX_TABLE: u32 = 100_000;

/// Upper bounds for one execution. Whoever cannot give as much does not bid; nobody gives less.
///
/// Time is none of them: how long a program takes is no result that anybody could check. How long a
/// task may take says [`crate::Durations::commit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceLimits {
    /// Wasmtime fuel (about one unit an instruction): the CPU time that decides.
    pub fuel: u64,
    /// Linear memory in bytes.
    pub memory_bytes: u64,
    /// Result size in bytes.
    pub output_bytes: u64,
    /// The program's stack in bytes: 32 a call, 8 for each parameter, local and operand.
    #[serde(default = "most_stack", skip_serializing_if = "is_most_stack")]
    pub stack_bytes: u32,
    /// Elements of each of its tables.
    #[serde(default = "most_table", skip_serializing_if = "is_most_table")]
    pub table_elements: u32,
}

const fn most_stack() -> u32 {
    MAX_STACK
}

const fn most_table() -> u32 {
    MAX_TABLE
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_most_stack(bytes: &u32) -> bool {
    *bytes == MAX_STACK
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_most_table(elements: &u32) -> bool {
    *elements == MAX_TABLE
}

impl ResourceLimits {
    /// Stack and table of listings that do not name them.
    pub(crate) const MOST: (u32, u32) = (MAX_STACK, MAX_TABLE);

    /// Whether it lowers what listings before [`crate::Listing::LIMITS_VERSION`] cannot name.
    #[must_use]
    pub const fn lowers_more(&self) -> bool {
        self.stack_bytes != MAX_STACK || self.table_elements != MAX_TABLE
    }

    pub(crate) fn check(&self) -> Result<(), ListingError> {
        within("limits.fuel", self.fuel, 1, MAX_FUEL)?;
        within("limits.memory_bytes", self.memory_bytes, 64 << 10, MAX_MEMORY)?;
        within("limits.output_bytes", self.output_bytes, 1, MAX_OUTPUT)?;
        let (stack, table) = (self.stack_bytes.into(), self.table_elements.into());
        within("limits.stack_bytes", stack, MIN_STACK.into(), MAX_STACK.into())?;
        within("limits.table_elements", table, 0, MAX_TABLE.into())
    }
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self {
            fuel: 1_000_000_000,
            memory_bytes: 256 << 20,
            output_bytes: 16 << 20,
            stack_bytes: MAX_STACK,
            table_elements: MAX_TABLE,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::{EpochRef, Hash32, Listing, Policy, Rail, rail::tests::listing};

    const EPOCH: EpochRef = EpochRef { number: 3, seed_hash: Hash32([4; 32]) };

    fn within_these(limits: ResourceLimits) -> Listing {
        Listing { limits, ..listing(Rail::Escrow) }.with_epoch(EPOCH)
    }

    fn lower() -> ResourceLimits {
        ResourceLimits { stack_bytes: 64 << 10, ..ResourceLimits::default() }
    }

    #[test]
    fn listings_that_lower_nothing_more_keep_their_version_and_bytes() {
        let listing = within_these(ResourceLimits::default());
        assert_eq!(listing.version, Listing::EPOCH_VERSION);
        let lowered = within_these(lower());
        assert_eq!(lowered.version, Listing::LIMITS_VERSION);
        let (short, long) = (borsh::to_vec(&listing).unwrap(), borsh::to_vec(&lowered).unwrap());
        assert_eq!(long[2..short.len()], short[2..], "but for the version");
        assert_eq!(long.len(), short.len() + 8);
        assert_ne!(listing.id(), lowered.id());
        let json = serde_json::to_value(listing.limits).unwrap();
        assert!(json.get("stack_bytes").is_none() && json.get("table_elements").is_none());
    }

    #[test]
    fn version_and_limits_have_to_fit() {
        for limits in [lower(), ResourceLimits { table_elements: 0, ..ResourceLimits::default() }] {
            let good = within_these(limits);
            assert_eq!(good.check(), Ok(()));
            for version in 1..=7 {
                let other = Listing { version, ..good.clone() };
                assert_eq!(other.check().is_ok(), version == Listing::LIMITS_VERSION, "{version}");
            }
        }
        let nothing = within_these(ResourceLimits::default());
        let hollow = Listing { version: Listing::LIMITS_VERSION, ..nothing };
        assert_eq!(hollow.check(), Err(ListingError::LowerLimits { version: 6 }));
        let undrawn = Listing { limits: lower(), ..listing(Rail::Escrow) };
        assert_eq!(undrawn.check(), Err(ListingError::LowerLimits { version: 1 }));
        let proof = Policy::Proof { key: Hash32([1; 32]) };
        let proof = Listing { policy: proof, ..within_these(lower()) };
        assert_eq!(proof.check(), Err(ListingError::LimitsOfProof));
    }

    #[test]
    fn limits_have_bounds() {
        let stack = |stack_bytes| ResourceLimits { stack_bytes, ..ResourceLimits::default() };
        for bytes in [0, MIN_STACK - 1, MAX_STACK + 1, u32::MAX] {
            let error = within_these(stack(bytes)).check().unwrap_err();
            assert!(error.to_string().contains("limits.stack_bytes"), "{error}");
        }
        let table = ResourceLimits { table_elements: MAX_TABLE + 1, ..ResourceLimits::default() };
        let error = within_these(table).check().unwrap_err();
        assert!(error.to_string().contains("limits.table_elements"), "{error}");
    }

    proptest! {
        #[test]
        fn listings_are_read_back_with_their_limits(
            stack_bytes in MIN_STACK..=MAX_STACK, table_elements in 0..=MAX_TABLE, cut in 0usize..400,
        ) {
            let limits = ResourceLimits { stack_bytes, table_elements, ..ResourceLimits::default() };
            let listing = within_these(limits);
            prop_assert_eq!(listing.check(), Ok(()));
            let bytes = borsh::to_vec(&listing).unwrap();
            prop_assert_eq!(&borsh::from_slice::<Listing>(&bytes).unwrap(), &listing);
            prop_assert!(borsh::from_slice::<Listing>(&bytes[..cut % bytes.len()]).is_err());
            let text = serde_json::to_string(&listing).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Listing>(&text).unwrap(), &listing);
        }
    }
}
