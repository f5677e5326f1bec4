//! How a file is written.

/// Text of snarkjs, or bytes of arkworks: a key's and a list's own bytes say which.
///
/// JSON holds no zero byte anywhere. arkworks begins a list, which every key ends with, by its
/// length as a `u64`: of at most [`MAX_PUBLIC_INPUTS`](super::MAX_PUBLIC_INPUTS) and one, so six of
/// its bytes are zeros. So nothing that is sound in one form can be taken for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON.
    Snarkjs,
    /// `serialize_compressed`.
    Arkworks,
}

impl Form {
    /// The form of a file.
    pub(crate) fn of(file: &[u8]) -> Self {
        let text = !file.contains(&0) && std::str::from_utf8(file).is_ok();
        if text { Self::Snarkjs } else { Self::Arkworks }
    }
}
