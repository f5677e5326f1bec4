//! One verification, one payment: witnesses are not copied and do not come out of bytes.
use fog_market::Payable;
use fog_verifier::{Conclusion, Verified};

fn twice(payable: &Payable) -> Payable {
    payable.clone()
}

fn again(verified: &Verified<Conclusion>) -> Verified<Conclusion> {
    verified.clone()
}

fn from_bytes(bytes: &[u8]) -> Payable {
    borsh::from_slice(bytes).unwrap()
}

fn main() {
    let _ = (twice, again, from_bytes);
}
