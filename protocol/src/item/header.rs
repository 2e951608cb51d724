//! Headers, and items whose signature has been checked (9.2).

use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use super::{Body, Kind};
use crate::{
    bytes::{Blob, Bytes, List},
    encoding::{Malformed, V1, decode, encode},
    epoch::Scope,
    id::{BodyHash, CommunityId, Context, ItemId, OpId, PersonId, hash},
    key::{KnownKeys, PublicKey, SecretKey, Signature},
    limits,
    signed::{Payload as _, Unsound, payload},
    text::Text,
    time::Millis,
};

/// A tag.
pub type Tag = Text<{ limits::TAG_BYTES }>;

/// `salt:16 || body`.
pub type SaltedBody = Blob<{ 16 + limits::BODY_BYTES }>;

/// The signed part of an item, at most 3 KiB; kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Header {
    /// 1.
    pub version: V1,
    /// What it is.
    pub kind: Kind,
    /// Where it was written; an item means nothing elsewhere (9.2).
    pub community: CommunityId,
    /// Who wrote it.
    pub author: PersonId,
    /// The device that signs.
    pub device: PublicKey,
    /// The device's count of items in this community and scope, from 0 (T2).
    pub seq: u32,
    /// The device's item before this one; null for the first.
    pub prev: Option<ItemId>,
    /// When, as claimed (T3).
    pub ts: Millis,
    /// Heads of the authority log that the author had seen, ascending (T4).
    pub auth_heads: List<OpId, 1, { limits::HEADS }>,
    /// Who may read it.
    pub scope: Scope,
    /// Borders that the author lets it cross (8.2).
    pub reach: u8,
    /// Items that it answers.
    pub re: List<ItemId, 0, { limits::REFERENCES }>,
    /// The item that it changes.
    pub target: Option<ItemId>,
    /// Its tags.
    pub tags: List<Tag, 0, { limits::TAGS }>,
    /// The name of its salted body.
    pub body_hash: BodyHash,
    /// Bytes of its body, without the salt.
    pub body_len: u32,
}

payload!(Header, Context::ITEM, limits::HEADER_BYTES, |header| {
    if header.kind.0 == 0 || header.kind.0 > 127 {
        return Err("no such kind");
    }
    if (header.seq == 0) != header.prev.is_none() {
        return Err("the first item of a chain has none before it, and only the first");
    }
    if header.reach > limits::HOPS {
        return Err("an item's reach is 0 to 3");
    }
    if header.scope == Scope::Inner && header.reach > 0 {
        return Err("an inner item stays inside (T2)");
    }
    if !header.auth_heads.is_sorted_by(|a, b| a < b) {
        return Err("heads are not ascending");
    }
    if matches!(header.kind, Kind::EDIT | Kind::TOMBSTONE) && header.target.is_none() {
        return Err("an edit or tombstone has a target");
    }
    if usize::try_from(header.body_len).is_ok_and(|len| len > limits::BODY_BYTES) {
        return Err("the body is over its limit");
    }
    Ok(())
});

/// `[header: bstr, sig:64]`: an item as it travels and is kept. The key is the header's device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct SignedItem {
    /// The canonical bytes of the header.
    pub header: Blob<{ limits::HEADER_BYTES }>,
    /// The device's signature over them.
    pub signature: Signature,
}

impl SignedItem {
    /// Signs a header.
    ///
    /// # Errors
    /// [`Malformed`] when the header breaks a rule on its fields.
    pub fn seal(header: &Header, device: &SecretKey) -> Result<SignedItem, Malformed> {
        let bytes = header.to_canonical();
        Header::from_canonical(&bytes)?;
        let signature = device.sign(Context::ITEM, &bytes);
        let header = Blob::new(bytes).map_err(|_| Malformed::TooLong { most: limits::HEADER_BYTES, found: 0 })?;
        Ok(SignedItem { header, signature })
    }

    /// The id, of whatever the header holds.
    #[must_use]
    pub fn id(&self) -> ItemId {
        hash(Context::ITEM, self.header.as_slice()).into()
    }

    /// Checks the header's form and the signature; whether the author may write is asked
    /// elsewhere (T4).
    ///
    /// # Errors
    /// [`Unsound`].
    pub fn check(self) -> Result<Item, Unsound> {
        self.check_with(&mut KnownKeys::default())
    }

    /// The same of one of many.
    ///
    /// # Errors
    /// As [`SignedItem::check`].
    pub fn check_with(self, keys: &mut KnownKeys) -> Result<Item, Unsound> {
        let header = Header::from_canonical(self.header.as_slice())?;
        keys.verify(&header.device, Context::ITEM, self.header.as_slice(), &self.signature)?;
        Ok(Item { id: self.id(), header, signed: self })
    }

    /// Reads what was checked before it was kept.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes were damaged since.
    pub fn trusted(self) -> Result<Item, Malformed> {
        let header = Header::from_canonical(self.header.as_slice())?;
        Ok(Item { id: self.id(), header, signed: self })
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<SignedItem, Malformed> {
        decode(bytes, limits::HEADER_BYTES.saturating_add(128))
    }
}

/// An item whose header is sound and whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// What it says.
    pub header: Header,
    /// The bytes it came in.
    pub signed: SignedItem,
}

impl Item {
    /// Whether `salted` is this item's body; and what it says, for a kind that is known.
    ///
    /// # Errors
    /// [`Malformed`] when it is another body, or is not what its kind asks for.
    pub fn body(&self, salted: &SaltedBody) -> Result<Body, Malformed> {
        let bytes = salted.as_slice();
        let body = bytes.get(16..).ok_or(Malformed::Truncated)?;
        if BodyHash::from(hash(Context::BODY, bytes)) != self.header.body_hash
            || u32::try_from(body.len()) != Ok(self.header.body_len)
        {
            return Err(Malformed::Field("the body is not the one that the header names"));
        }
        Body::read(self.header.kind, body)
    }
}

/// A body with its salt, and the name that a header gives it.
///
/// # Errors
/// [`Malformed::TooLong`].
pub(crate) fn salted(salt: [u8; 16], body: &[u8]) -> Result<(SaltedBody, BodyHash, u32), Malformed> {
    let too_long = Malformed::TooLong { most: limits::BODY_BYTES, found: body.len() };
    if body.len() > limits::BODY_BYTES {
        return Err(too_long);
    }
    let bytes = [&salt[..], body].concat();
    let hash = hash(Context::BODY, &bytes).into();
    Ok((Blob::new(bytes).map_err(|_| too_long)?, hash, u32::try_from(body.len()).map_err(|_| too_long)?))
}

const _: () = assert!(std::mem::size_of::<Bytes<32>>() == 32, "ids are held without overhead");
