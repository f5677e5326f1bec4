//! Addresses at the border: what a person wrote, and what cells hold.

use fog_protocol::{Address, AddressError, AddressForm, Hash32};
use tycho_types::cell::HashBytes;
use tycho_types::models::{IntAddr, StdAddr};

/// An address together with what its text form said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressText {
    /// The account.
    pub address: Address,
    /// The friendly form used, or `None` for the raw `workchain:hash` form.
    pub form: Option<AddressForm>,
}

impl AddressText {
    /// Whether the text is marked for test networks only (`kQ...`, `0Q...`).
    #[must_use]
    pub const fn is_test_only(&self) -> bool {
        matches!(self.form, Some(AddressForm::TestBounceable | AddressForm::TestNonBounceable))
    }

    /// Whether a transfer to it should ask for its money back on failure; `None` if the raw form
    /// leaves it open.
    #[must_use]
    pub const fn bounceable(&self) -> Option<bool> {
        match self.form {
            Some(AddressForm::Bounceable | AddressForm::TestBounceable) => Some(true),
            Some(AddressForm::NonBounceable | AddressForm::TestNonBounceable) => Some(false),
            None => None,
        }
    }
}

const FORMS: [AddressForm; 4] = [
    AddressForm::Bounceable,
    AddressForm::NonBounceable,
    AddressForm::TestBounceable,
    AddressForm::TestNonBounceable,
];

/// Reads an address in any form of TEP-2 (raw, `EQ`, `UQ`, `kQ`, `0Q`; base64 or base64url) and
/// keeps which form it was.
///
/// # Errors
/// [`AddressError`]: not an address, a wrong checksum, or unknown flags.
pub fn parse_address(text: &str) -> Result<AddressText, AddressError> {
    let text = text.trim();
    let address: Address = text.parse()?;
    let url_safe = text.replace('+', "-").replace('/', "_");
    let form = FORMS.into_iter().find(|form| address.friendly(*form) == url_safe);
    Ok(AddressText { address, form })
}

/// The cell library's address.
#[must_use]
pub const fn to_std_addr(address: &Address) -> StdAddr {
    StdAddr::new(address.workchain, HashBytes(address.hash.0))
}

/// Our address of a cell library's standard address.
#[must_use]
pub const fn from_std_addr(address: &StdAddr) -> Address {
    Address { workchain: address.workchain, hash: Hash32(address.address.0) }
}

/// Our address of an internal address, or `None` for the variable-length form, which no account
/// on the TON network has.
#[must_use]
pub const fn from_int_addr(address: &IntAddr) -> Option<Address> {
    match address {
        IntAddr::Std(address) => Some(from_std_addr(address)),
        IntAddr::Var(_) => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_kept() {
        let address = Address::basechain([7; 32]);
        for form in FORMS {
            let read = parse_address(&address.friendly(form)).unwrap();
            assert_eq!((read.address, read.form), (address, Some(form)));
        }
        assert_eq!(parse_address(&address.to_string()).unwrap().form, None);
        let standard = address.friendly(AddressForm::TestBounceable);
        let standard = standard.replace('-', "+").replace('_', "/");
        assert!(parse_address(&standard).unwrap().is_test_only());
    }

    proptest::proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,80}") {
            let _ = parse_address(&text);
        }

        #[test]
        fn near_addresses_parse_or_are_refused(text in "[EU0k]Q[A-Za-z0-9+/_-]{44,48}") {
            let _ = parse_address(&text);
        }

        #[test]
        fn cells_keep_it(workchain: i8, hash: [u8; 32]) {
            let address = Address { workchain, hash: Hash32(hash) };
            proptest::prop_assert_eq!(from_std_addr(&to_std_addr(&address)), address);
        }
    }
}
