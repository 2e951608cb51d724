//! Pairing codes: what a person pastes on a new device so that one of their devices certifies it
//! (D4). A code is good for ten minutes and once; both are for the node that made it to see to.

use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use zeroize::Zeroizing;

use crate::{
    bytes::{Bytes, List},
    encoding::{Malformed, V1, decode, encode},
    id::Context,
    invite::Hint,
    limits,
    pasted::{self, PastedRefusal},
};

/// What every pairing code begins with.
pub const PREFIX: &str = "hearthpair1";

/// A pairing code.
#[derive(Debug, Clone)]
pub struct PairingCode {
    secret: Zeroizing<[u8; 16]>,
    /// Where the device that made it can be found.
    pub hints: List<Hint, 1, 4>,
}

/// Why a pasted text is no pairing code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairingCodeRefusal {
    /// It is no pasted text of ours, or damaged.
    #[error("this is not a pairing code: {0}")]
    Text(#[from] PastedRefusal),
    /// The check fits, but what it holds is not a code of this version.
    #[error("the pairing code cannot be read: {0}")]
    Malformed(#[from] Malformed),
}

impl PairingCodeRefusal {
    /// The name that commands and the API show.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            PairingCodeRefusal::Text(PastedRefusal::Other) => "not_a_pairing_code",
            PairingCodeRefusal::Text(PastedRefusal::TooLong { .. }) => "too_long",
            PairingCodeRefusal::Text(PastedRefusal::Damaged) => "damaged_pairing_code",
            PairingCodeRefusal::Malformed(_) => "unreadable_pairing_code",
        }
    }
}

/// The binary form: `[1, secret:16, hints]`.
#[derive(Serialize_tuple, Deserialize_tuple)]
struct Packed {
    version: V1,
    secret: Bytes<16>,
    hints: List<Hint, 1, 4>,
}

impl PairingCode {
    /// A code of this secret.
    #[must_use]
    pub fn new(secret: [u8; 16], hints: List<Hint, 1, 4>) -> PairingCode {
        PairingCode { secret: Zeroizing::new(secret), hints }
    }

    /// The secret that both devices share.
    #[must_use]
    pub fn secret(&self) -> &[u8; 16] {
        &self.secret
    }

    /// The text to paste: see [`pasted`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let packed = Packed { version: V1, secret: Bytes(*self.secret), hints: self.hints.clone() };
        pasted::to_text(PREFIX, Context::PAIR_CHECK, &Zeroizing::new(encode(&packed)))
    }

    /// Reads a pasted text or a `hearth:` link; white space and capitals are forgiven.
    ///
    /// # Errors
    /// [`PairingCodeRefusal`].
    pub fn from_text(text: &str) -> Result<PairingCode, PairingCodeRefusal> {
        let bytes = pasted::from_text(PREFIX, Context::PAIR_CHECK, text)?;
        let packed: Packed = decode(&bytes, limits::INVITE_KEY_CHARS)?;
        Ok(PairingCode::new(packed.secret.0, packed.hints))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Blob;

    #[test]
    fn a_code_reads_back_and_is_no_invite_key() {
        let hint = Hint(Blob::new(vec![1; 38]).unwrap(), Blob::new(vec![4; 8]).unwrap());
        let code = PairingCode::new([7; 16], List::new(vec![hint]).unwrap());
        let read = PairingCode::from_text(&code.to_text()).unwrap();
        assert_eq!((read.secret(), &read.hints), (code.secret(), &code.hints));
        assert!(crate::invite::InviteKey::from_text(&code.to_text()).is_err());
        let mut damaged = code.to_text();
        damaged.pop();
        assert_eq!(PairingCode::from_text(&damaged).unwrap_err().name(), "damaged_pairing_code");
    }
}
