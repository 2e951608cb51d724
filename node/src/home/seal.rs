//! Sealing the file of keys under a passphrase: Argon2id (RFC 9106) makes a key of it, with which XChaCha20-Poly1305
//! seals what the file would otherwise say.
//!
//! The file is `[3, salt: 16, [m in KiB, t, p], nonce: 24, ciphertext]`, canonical CBOR. Its first four elements, as a
//! list of their own, are what the ciphertext is bound to. Leaves to others: what is sealed, and where the file lies.
//!
//! Always true: what the file asks for is bounded before anything is allocated or computed; passphrase, key and the
//! memory that they were mixed in are wiped.

use std::{fmt, io};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hearth_protocol::{
    bytes::{Blob, Bytes},
    encoding::{decode, encode},
};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::{HomeError, private::fresh};

/// The version of a sealed file of keys.
pub(super) const SEALED_VERSION: u8 = 3;
/// Longest passphrase, in bytes: a page of text; more says nothing more.
pub const PASSPHRASE_BYTES: usize = 1024;
/// Bytes of ciphertext at most: four times the largest plain file.
const CIPHERTEXT_BYTES: usize = 64 * 1024;
/// Bytes of the whole file at most: the ciphertext, and what stands before it.
pub(super) const SEALED_BYTES: usize = CIPHERTEXT_BYTES + 128;

/// What guessing one passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// Memory, in KiB.
    m_kib: u32,
    /// Passes over it.
    t: u32,
    /// Lanes.
    p: u32,
}

impl Cost {
    /// RFC 9106's second recommended option, but for the lanes: 64 MiB and three passes, which even a small machine
    /// has to spare. One lane of its four, since lanes help only who computes them at the same time: here nobody does.
    const USUAL: Cost = Cost { m_kib: 64 * 1024, t: 3, p: 1 };
    /// Most that a file may ask for: whoever writes into a home could otherwise stop its owner from opening it.
    const MOST: Cost = Cost { m_kib: 1024 * 1024, t: 16, p: 16 };

    /// None where a file asks for more than is given, or for what Argon2 does not know.
    fn params(self) -> Option<Params> {
        let within = self.m_kib <= Cost::MOST.m_kib && self.t <= Cost::MOST.t && self.p <= Cost::MOST.p;
        // RFC 9106, 3.1: eight blocks a lane at the least.
        let enough = self.m_kib >= self.p.checked_mul(8)?;
        if within && enough { Params::new(self.m_kib, self.t, self.p, Some(32)).ok() } else { None }
    }
}

/// What a person types to open their home; wiped when dropped.
pub struct Passphrase {
    text: Zeroizing<String>,
    cost: Cost,
}

/// Why a text is no passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseRefusal {
    /// Nothing was typed.
    #[error("is empty")]
    Empty,
    /// Longer than [`PASSPHRASE_BYTES`].
    #[error("is longer than {PASSPHRASE_BYTES} bytes")]
    TooLong,
    /// What cannot be typed on every keyboard: a line break in a file, an arrow key.
    #[error("holds a line break or another control character")]
    Control,
}

impl Passphrase {
    /// A passphrase as it was typed, put into Unicode's NFC, so that another keyboard types the same.
    ///
    /// # Errors
    /// [`HomeError::Passphrase`] when it is empty, too long, or holds a control character.
    pub fn new(typed: &str) -> Result<Passphrase, HomeError> {
        let refused = |why| Err(HomeError::Passphrase { why });
        if typed.is_empty() {
            return refused(PassphraseRefusal::Empty);
        }
        if typed.len() > PASSPHRASE_BYTES {
            return refused(PassphraseRefusal::TooLong);
        }
        if typed.chars().any(char::is_control) {
            return refused(PassphraseRefusal::Control);
        }
        // NFC has at most three times the bytes: with room for them nothing is moved, and nothing left behind.
        let mut text = Zeroizing::new(String::with_capacity(typed.len() * 3));
        text.extend(typed.nfc());
        Ok(Passphrase { text, cost: Cost::USUAL })
    }

    /// The same, at a cost at which tests can make many.
    #[cfg(test)]
    pub(crate) fn cheap(typed: &str) -> Passphrase {
        Passphrase { cost: Cost { m_kib: 16, t: 1, p: 2 }, ..Passphrase::new(typed).expect("the test types one") }
    }
}

impl PartialEq for Passphrase {
    fn eq(&self, other: &Passphrase) -> bool {
        *self.text == *other.text
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// The key of one sealed file, with what it was made from; wiped when dropped.
#[derive(Clone)]
pub(super) struct FileKey {
    salt: Bytes<16>,
    cost: Cost,
    key: Zeroizing<[u8; 32]>,
}

impl FileKey {
    /// For a file that is to be sealed: under a fresh salt.
    pub(super) fn fresh(passphrase: &Passphrase) -> io::Result<FileKey> {
        derive(passphrase, Bytes(fresh()?), passphrase.cost)
    }

    /// The whole file that says `plain` to whoever has this key.
    pub(super) fn seal(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let nonce = Bytes(fresh()?);
        let ciphertext = self
            .cipher()
            .encrypt(&XNonce::from(nonce.0), Payload { msg: plain, aad: &head(&self.salt, self.cost, &nonce) })
            .expect("a file of keys is shorter than 256 GiB");
        let ciphertext = Blob::new(ciphertext).map_err(io::Error::other)?;
        let cost = (self.cost.m_kib, self.cost.t, self.cost.p);
        Ok(encode::<SealedList>(&(SEALED_VERSION, self.salt, cost, nonce, ciphertext)))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.key.as_slice().try_into().expect("32 bytes are a key"))
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey")
    }
}

type SealedList = (u8, Bytes<16>, (u32, u32, u32), Bytes<24>, Blob<CIPHERTEXT_BYTES>);

/// What the ciphertext is bound to: all that stands before it.
fn head(salt: &Bytes<16>, cost: Cost, nonce: &Bytes<24>) -> Vec<u8> {
    encode(&(SEALED_VERSION, salt, (cost.m_kib, cost.t, cost.p), nonce))
}

/// A sealed file, taken apart.
#[derive(Debug)]
pub(super) struct Sealed {
    salt: Bytes<16>,
    cost: Cost,
    nonce: Bytes<24>,
    ciphertext: Blob<CIPHERTEXT_BYTES>,
}

impl Sealed {
    /// None when the bytes are no sealed file, or one that asks for more than [`Cost::MOST`].
    pub(super) fn read(bytes: &[u8]) -> Option<Sealed> {
        let (version, salt, (m_kib, t, p), nonce, ciphertext): SealedList = decode(bytes, SEALED_BYTES).ok()?;
        let cost = Cost { m_kib, t, p };
        cost.params()?;
        (version == SEALED_VERSION).then_some(Sealed { salt, cost, nonce, ciphertext })
    }

    /// The key that this passphrase makes with this file's salt, right or wrong.
    pub(super) fn key(&self, passphrase: &Passphrase) -> io::Result<FileKey> {
        derive(passphrase, self.salt, self.cost)
    }

    /// What it says; none when the key is another one, or a byte is not as it was written.
    pub(super) fn open(&self, key: &FileKey) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload { msg: self.ciphertext.as_slice(), aad: &head(&self.salt, self.cost, &self.nonce) };
        key.cipher().decrypt(&XNonce::from(self.nonce.0), payload).ok().map(Zeroizing::new)
    }
}

/// Argon2id. The system is asked for the memory, and may say that it has none.
fn derive(passphrase: &Passphrase, salt: Bytes<16>, cost: Cost) -> io::Result<FileKey> {
    let params = cost.params().ok_or(io::ErrorKind::InvalidInput)?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(params.block_count()).map_err(|_| io::ErrorKind::OutOfMemory)?;
    memory.resize(params.block_count(), Block::new());
    let mut memory = Zeroizing::new(memory);
    let mut key = Zeroizing::new([0; 32]);
    let done = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        passphrase.text.as_bytes(),
        &salt.0,
        key.as_mut_slice(),
        memory.as_mut_slice(),
    );
    done.map_err(io::Error::other)?;
    Ok(FileKey { salt, cost, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(file: &[u8], passphrase: &Passphrase) -> Option<Vec<u8>> {
        let sealed = Sealed::read(file)?;
        let key = sealed.key(passphrase).unwrap();
        sealed.open(&key).map(|plain| plain.to_vec())
    }

    #[test]
    fn what_a_passphrase_seals_it_alone_opens() {
        let passphrase = Passphrase::cheap("nine beans in a row");
        let key = FileKey::fresh(&passphrase).unwrap();
        let file = key.seal(b"secret").unwrap();
        assert_eq!(opened(&file, &passphrase).as_deref(), Some(&b"secret"[..]));
        assert_eq!(opened(&file, &Passphrase::cheap("nine beans in a rov")), None);
        assert_ne!(file, key.seal(b"secret").unwrap(), "no nonce comes twice");
        assert_ne!(*key.key, *FileKey::fresh(&passphrase).unwrap().key, "no salt comes twice");
    }

    #[test]
    fn no_byte_of_a_sealed_file_can_be_changed() {
        let passphrase = Passphrase::cheap("nine beans in a row");
        let file = FileKey::fresh(&passphrase).unwrap().seal(&[7; 40]).unwrap();
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert_eq!(opened(&changed, &passphrase), None, "byte {at}");
            assert_eq!(opened(&file[..at], &passphrase), None, "cut at {at}");
        }
    }

    #[test]
    fn a_file_that_asks_for_too_much_or_for_nonsense_is_not_computed() {
        let ask = |m_kib: u32, t: u32, p: u32| {
            let list: SealedList =
                (SEALED_VERSION, Bytes([1; 16]), (m_kib, t, p), Bytes([2; 24]), Blob::new(vec![3; 40]).unwrap());
            Sealed::read(&encode(&list)).is_some()
        };
        assert!(ask(64 * 1024, 3, 1) && ask(1024 * 1024, 16, 16) && ask(8, 1, 1));
        for (m_kib, t, p) in [
            (1024 * 1024 + 1, 3, 1),
            (u32::MAX, 3, 1),
            (65_536, 17, 1),
            (65_536, u32::MAX, 1),
            (65_536, 3, 17),
            (65_536, 3, u32::MAX),
            (7, 1, 1),
            (127, 1, 16),
            (65_536, 0, 1),
            (65_536, 3, 0),
            (0, 1, 1),
        ] {
            assert!(!ask(m_kib, t, p), "{m_kib} {t} {p}");
        }
    }

    /// RFC 9106 has no vector without a secret and associated data; this one is of the reference implementation:
    /// `echo -n password | argon2 somesaltsomesalt -id -k 65536 -t 3 -p 1 -l 32 -r`.
    #[test]
    fn the_key_is_argon2id_with_the_cost_that_is_written_down() {
        let passphrase = Passphrase::new("password").unwrap();
        let key = derive(&passphrase, Bytes(*b"somesaltsomesalt"), Cost::USUAL).unwrap();
        assert_eq!(
            data_encoding::HEXLOWER.encode(key.key.as_slice()),
            "7664ad4ba1a3c999fcdd0991ffc2270f78302d2383233db5e7befc85d1bb1819"
        );
    }

    /// Made by the reference implementation of Argon2 and one of XChaCha20-Poly1305 that shares no code with ours.
    #[test]
    fn a_file_that_other_programs_sealed_is_opened() {
        let file = "850350000102030405060708090a0b0c0d0e0f83184002025818000102030405060708090a0b0c0d0e0f101112131415161758\
                    2741d2b651d6c3101bee57c3967ec873ad927d6240f88251426c775a1b4be621b6040e962a9b69e0";
        let file = data_encoding::HEXLOWER.decode(file.as_bytes()).unwrap();
        let opened = opened(&file, &Passphrase::new("Gru\u{308}ne Bohnen").unwrap());
        assert_eq!(opened.as_deref(), Some(&b"what the file would say"[..]));
    }

    #[test]
    fn a_passphrase_is_the_same_on_every_keyboard_and_has_bounds() {
        assert_eq!(Passphrase::new("Gr\u{fc}n").unwrap(), Passphrase::new("Gru\u{308}n").unwrap());
        assert_ne!(Passphrase::new(" a").unwrap(), Passphrase::new("a").unwrap());
        for (typed, why) in [
            (String::new(), PassphraseRefusal::Empty),
            ("a\nb".to_owned(), PassphraseRefusal::Control),
            ("a\u{1b}[A".to_owned(), PassphraseRefusal::Control),
            ("a".repeat(PASSPHRASE_BYTES + 1), PassphraseRefusal::TooLong),
        ] {
            let refused = Passphrase::new(&typed).unwrap_err();
            assert!(matches!(&refused, HomeError::Passphrase { why: found } if *found == why), "{refused}");
            assert_eq!(refused.reason(), "bad_passphrase");
        }
        assert_eq!(format!("{:?}", Passphrase::cheap("beans")), "Passphrase");
    }
}
