//! `ton://transfer` links, which wallets on phones and desktops open.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use fog_protocol::{Address, AddressError, AddressForm, Nano};
use tycho_types::boc::Boc;
use tycho_types::cell::Cell;

use crate::{AddressText, parse_address};

/// Longest link read; the longest a phone's camera can take as a QR code is about 3,000 bytes.
const MAX_LINK: usize = 16 * 1024;
const MAX_COMMENT: usize = 1024;
const PREFIXES: [&str; 4] = [
    "ton://transfer/",
    "https://app.tonkeeper.com/transfer/",
    "tc://transfer/",
    "https://tonhub.com/transfer/",
];

/// Why a text is not a transfer link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It does not start like one.
    #[error("this is not a transfer link: expected ton://transfer/<address>?amount=<nano>")]
    NotALink,
    /// Too long to be honest.
    #[error("the link is longer than {MAX_LINK} characters")]
    TooLong,
    /// The recipient is not an address.
    #[error("the link's recipient: {0}")]
    Address(#[from] AddressError),
    /// `amount` is not an integer of nanogram.
    #[error("the link's amount is not a whole number of nanogram")]
    Amount,
    /// A field occurs twice: which one counts would be up to the wallet.
    #[error("the link gives `{0}` twice")]
    Twice(&'static str),
    /// `bin` or `init` is not a bag of cells in base64.
    #[error("the link's `{0}` is not a bag of cells in base64")]
    NotACell(&'static str),
    /// `text` is not valid percent-encoded UTF-8, or too long.
    #[error("the link's comment is not valid text of at most {MAX_COMMENT} bytes")]
    Comment,
    /// A field we would have to ignore, which could change what is paid.
    #[error("the link has a field `{0}` this program does not know; nothing was read")]
    Unknown(String),
}

/// A transfer a link asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferLink {
    /// The recipient and the form it is, or will be, written in.
    pub to: AddressText,
    /// Nanogram to send; `None` leaves it to the payer.
    pub amount: Option<Nano>,
    /// Comment shown by wallets.
    pub text: Option<String>,
    /// Message body.
    pub body: Option<Cell>,
    /// StateInit of a recipient that is not deployed yet.
    pub init: Option<Cell>,
    /// Unix time after which wallets refuse the link.
    pub valid_until: Option<u64>,
}

impl TransferLink {
    /// A link to `address`, bounceable and for the real network unless `form` says otherwise.
    #[must_use]
    pub const fn new(address: Address, form: AddressForm) -> Self {
        Self {
            to: AddressText { address, form: Some(form) },
            amount: None,
            text: None,
            body: None,
            init: None,
            valid_until: None,
        }
    }

    /// Reads a link (`ton://transfer/...`, or the same of Tonkeeper and Tonhub). Fields this
    /// program does not know are an error, since skipping one could change what is paid.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn parse(link: &str) -> Result<Self, LinkError> {
        if link.len() > MAX_LINK {
            return Err(LinkError::TooLong);
        }
        let rest = PREFIXES
            .iter()
            .find_map(|prefix| link.trim().strip_prefix(prefix))
            .ok_or(LinkError::NotALink)?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let address = percent_decode(address).ok_or(LinkError::NotALink)?;
        let mut parsed = Self {
            to: parse_address(address.trim_end_matches('/'))?,
            amount: None,
            text: None,
            body: None,
            init: None,
            valid_until: None,
        };
        for field in query.split('&').filter(|field| !field.is_empty()) {
            parsed.read_field(field)?;
        }
        Ok(parsed)
    }

    fn read_field(&mut self, field: &str) -> Result<(), LinkError> {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        match name {
            "amount" => {
                let nano = parse_digits(value).ok_or(LinkError::Amount)?;
                let amount = Nano::new(nano);
                (amount <= Nano::MAX).then_some(()).ok_or(LinkError::Amount)?;
                set_once(&mut self.amount, amount, "amount")
            }
            "text" => {
                let text = percent_decode(value)
                    .filter(|text| text.len() <= MAX_COMMENT)
                    .ok_or(LinkError::Comment)?;
                set_once(&mut self.text, text, "text")
            }
            "bin" => {
                let cell = decode_cell(value).ok_or(LinkError::NotACell("bin"))?;
                set_once(&mut self.body, cell, "bin")
            }
            "init" | "stateInit" => {
                let cell = decode_cell(value).ok_or(LinkError::NotACell("init"))?;
                set_once(&mut self.init, cell, "init")
            }
            "exp" => {
                let until = parse_digits(value).ok_or(LinkError::Unknown("exp".into()))?;
                set_once(&mut self.valid_until, until, "exp")
            }
            other => Err(LinkError::Unknown(other.chars().take(40).collect())),
        }
    }
}

impl std::fmt::Display for TransferLink {
    /// The `ton://transfer/...` form; cells in base64url, which needs no escaping.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let form = self.to.form.unwrap_or(AddressForm::Bounceable);
        write!(f, "ton://transfer/{}", self.to.address.friendly(form))?;
        let mut separator = '?';
        let mut field = |f: &mut std::fmt::Formatter<'_>, name: &str, value: &str| {
            let written = write!(f, "{separator}{name}={value}");
            separator = '&';
            written
        };
        if let Some(amount) = self.amount {
            field(f, "amount", &amount.get().to_string())?;
        }
        if let Some(text) = &self.text {
            field(f, "text", &percent_encode(text))?;
        }
        if let Some(body) = &self.body {
            field(f, "bin", &URL_SAFE_NO_PAD.encode(Boc::encode(body)))?;
        }
        if let Some(init) = &self.init {
            field(f, "init", &URL_SAFE_NO_PAD.encode(Boc::encode(init)))?;
        }
        if let Some(until) = self.valid_until {
            field(f, "exp", &until.to_string())?;
        }
        Ok(())
    }
}

fn set_once<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), LinkError> {
    if slot.is_some() {
        return Err(LinkError::Twice(name));
    }
    *slot = Some(value);
    Ok(())
}

fn parse_digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn decode_cell(value: &str) -> Option<Cell> {
    let text = percent_decode(value)?;
    let bytes = [&URL_SAFE_NO_PAD, &URL_SAFE, &STANDARD, &STANDARD_NO_PAD]
        .into_iter()
        .find_map(|engine| engine.decode(&text).ok())?;
    Boc::decode(&bytes).ok()
}

fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                let mut decoded = [0];
                hex::decode_to_slice(digits, &mut decoded).ok()?;
                decoded[0]
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use tycho_types::cell::CellBuilder;

    fn cell(value: u32) -> Cell {
        let mut builder = CellBuilder::new();
        builder.store_u32(value).unwrap();
        builder.build().unwrap()
    }

    #[test]
    fn round_trip() {
        let mut link =
            TransferLink::new(Address::basechain([3; 32]), AddressForm::TestNonBounceable);
        link.amount = Some(Nano::new(1_500_000_000));
        link.text = Some("50% of a & b, \u{fc}ber = 1".to_owned());
        link.body = Some(cell(7));
        link.init = Some(cell(8));
        link.valid_until = Some(1_800_000_000);
        assert_eq!(TransferLink::parse(&link.to_string()), Ok(link));
    }

    #[test]
    fn what_other_wallets_write() {
        let address = Address::basechain([9; 32]);
        let boc = STANDARD.encode(Boc::encode(cell(7))).replace('+', "%2B").replace('/', "%2F");
        let friendly = address.friendly(AddressForm::NonBounceable);
        let link = format!("https://app.tonkeeper.com/transfer/{friendly}?bin={boc}&amount=1");
        let read = TransferLink::parse(&link).unwrap();
        assert_eq!(read.body, Some(cell(7)));
        assert_eq!(read.to.bounceable(), Some(false));
    }

    #[test]
    fn refused_with_the_reason() {
        let address = Address::basechain([9; 32]).friendly(AddressForm::Bounceable);
        let refused = |rest: &str| {
            TransferLink::parse(&format!("ton://transfer/{address}{rest}")).unwrap_err()
        };
        assert_eq!(TransferLink::parse("https://example.com").unwrap_err(), LinkError::NotALink);
        assert_eq!(refused("?amount=-1"), LinkError::Amount);
        assert_eq!(refused("?amount=1.5"), LinkError::Amount);
        assert_eq!(refused("?amount=99999999999999999999"), LinkError::Amount);
        assert_eq!(refused("?amount=1&amount=2"), LinkError::Twice("amount"));
        assert_eq!(refused("?bin=AAAA"), LinkError::NotACell("bin"));
        assert_eq!(refused("?jetton=x"), LinkError::Unknown("jetton".into()));
        assert!(matches!(refused("x"), LinkError::Address(_)));
    }

    proptest::proptest! {
        #[test]
        fn any_link_parses_or_is_refused(rest in "[ -~\u{e4}]{0,120}") {
            let _ = TransferLink::parse(&rest);
            let _ = TransferLink::parse(&format!("ton://transfer/{rest}"));
        }

        #[test]
        fn any_query_parses_or_is_refused(
            fields in proptest::collection::vec("(amount|bin|init|text|exp)=[%0-9A-Za-z+/=_-]{0,60}", 0..6)
        ) {
            let address = Address::basechain([9; 32]).friendly(AddressForm::Bounceable);
            let _ = TransferLink::parse(&format!("ton://transfer/{address}?{}", fields.join("&")));
        }

        #[test]
        fn any_bytes_as_cells(bytes in proptest::collection::vec(0u8.., 0..200)) {
            let address = Address::basechain([9; 32]).friendly(AddressForm::Bounceable);
            let mut boc = vec![0xb5, 0xee, 0x9c, 0x72];
            boc.extend(bytes);
            let bin = URL_SAFE_NO_PAD.encode(boc);
            let _ = TransferLink::parse(&format!("ton://transfer/{address}?bin={bin}"));
        }
    }
}
