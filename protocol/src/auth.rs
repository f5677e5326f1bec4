//! Authentication of HTTP requests: `Authorization: Fog <base64url of borsh(RequestAuth)>`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Hash32, KeyError, PublicKey, SecretKey, Signature, tagged_hash};

/// How far a request's time may be from the server's, in seconds.
pub const MAX_CLOCK_SKEW_SECONDS: u64 = 60;

/// Why a request is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No header, or not of this scheme.
    #[error("the request needs an `Authorization: Fog ...` header signed by your key")]
    Missing,
    /// The header does not decode.
    #[error("the Authorization header is malformed")]
    Malformed,
    /// Too old or from the future.
    #[error("the request was signed {0} s away from the server's clock: set your clock")]
    Stale(u64),
    /// The signature does not cover this request.
    #[error("the request's signature does not match its method, path or body")]
    BadSignature,
}

impl From<KeyError> for AuthError {
    fn from(_: KeyError) -> Self {
        Self::BadSignature
    }
}

/// A signature over one request. It binds method, path with query, body hash, time and node, so
/// it is worth nothing for another request or at another node.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RequestAuth {
    /// Who asks.
    pub key: PublicKey,
    /// Unix seconds.
    pub time: u64,
    /// Ed25519 over the request's tagged hash.
    pub signature: Signature,
}

impl RequestAuth {
    const SCHEME: &'static str = "Fog ";

    fn digest(node: &Hash32, time: u64, method: &str, path: &str, body: &Hash32) -> Hash32 {
        tagged_hash(
            "fog/request/v1",
            &[&node.0, &time.to_le_bytes(), method.as_bytes(), path.as_bytes(), &body.0],
        )
    }

    /// Makes the header's value. `node` is the node's id from `GET /v1/info`, `path` starts with
    /// `/` and includes the query, `time` is Unix seconds.
    #[must_use]
    pub fn header(
        key: &SecretKey,
        node: &Hash32,
        time: u64,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> String {
        let signature = key.sign(&Self::digest(node, time, method, path, &Hash32::of(body)).0);
        let auth = Self { key: key.public(), time, signature };
        let mut bytes = Vec::with_capacity(104);
        bytes.extend_from_slice(&auth.key.0.0);
        bytes.extend_from_slice(&auth.time.to_le_bytes());
        bytes.extend_from_slice(&auth.signature.0);
        format!("{}{}", Self::SCHEME, URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Checks a header and returns who signed the request.
    ///
    /// # Errors
    /// Each [`AuthError`].
    pub fn check(
        header: &str,
        node: &Hash32,
        now: u64,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<PublicKey, AuthError> {
        Self::check_hash(header, node, now, method, path, &Hash32::of(body))
    }

    /// The same before the body is here, by the SHA-256 it is said to have. Compare that with the
    /// body's own once it is.
    ///
    /// # Errors
    /// Each [`AuthError`].
    pub fn check_hash(
        header: &str,
        node: &Hash32,
        now: u64,
        method: &str,
        path: &str,
        body: &Hash32,
    ) -> Result<PublicKey, AuthError> {
        let encoded = header.strip_prefix(Self::SCHEME).ok_or(AuthError::Missing)?;
        if encoded.len() > 200 {
            return Err(AuthError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| AuthError::Malformed)?;
        let auth: Self = borsh::from_slice(&bytes).map_err(|_| AuthError::Malformed)?;
        let skew = now.abs_diff(auth.time);
        if skew > MAX_CLOCK_SKEW_SECONDS {
            return Err(AuthError::Stale(skew));
        }
        auth.key.verify(&Self::digest(node, auth.time, method, path, body).0, &auth.signature)?;
        Ok(auth.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_good_for_one_request_only() {
        let key = SecretKey::from_seed(&[3; 32]);
        let node = Hash32([1; 32]);
        let header = RequestAuth::header(&key, &node, 1000, "PUT", "/v1/x", b"body");
        let check = |node: &Hash32, now, method, path, body| {
            RequestAuth::check(&header, node, now, method, path, body)
        };
        assert_eq!(check(&node, 1030, "PUT", "/v1/x", b"body"), Ok(key.public()));
        assert_eq!(check(&node, 1061, "PUT", "/v1/x", b"body"), Err(AuthError::Stale(61)));
        let other = Hash32([2; 32]);
        for (node, method, path, body) in [
            (&other, "PUT", "/v1/x", &b"body"[..]),
            (&node, "GET", "/v1/x", b"body"),
            (&node, "PUT", "/v1/y", b"body"),
            (&node, "PUT", "/v1/x", b"bodY"),
        ] {
            assert_eq!(check(node, 1000, method, path, body), Err(AuthError::BadSignature));
        }
    }

    proptest::proptest! {
        #[test]
        fn garbage_is_refused(header in ".{0,300}", now: u64) {
            proptest::prop_assert!(
                RequestAuth::check(&header, &Hash32([0; 32]), now, "GET", "/", b"").is_err()
            );
        }
    }
}
