//! What a home that is not of a new person has yet to do: take up the own space that another device
//! has handed over, or look for the communities of somebody who came back with their words.

use std::{fs, io};

use hearth_protocol::{
    encoding::{decode, encode},
    hello::Handover,
    limits,
    time::{DAY_MS, Millis},
};

use super::{Home, HomeError, private::write_private};
use crate::clock;

/// What a paired device was given and has not taken up yet.
const HANDOVER: &str = "handover";
/// Until when co-members are asked, in milliseconds since 1970.
const RESTORING: &str = "restoring";
/// How long a home that was made from the words asks: members may be away for a while.
const RESTORING_MS: u64 = 30 * DAY_MS;

impl Home {
    pub(super) fn keep_handover(&self, mine: &Handover) -> Result<(), HomeError> {
        write_private(&self.file(HANDOVER), &encode(mine)).map_err(|source| self.io(source))
    }

    /// The own space that waits to be taken up.
    pub(crate) fn handover(&self) -> Result<Option<Handover>, HomeError> {
        let path = self.file(HANDOVER);
        match fs::read(&path) {
            Ok(bytes) => match decode(&bytes, limits::HANDOVERS_BYTES) {
                Ok(handover) => Ok(Some(handover)),
                Err(_) => Err(HomeError::Damaged { path: path.display().to_string() }),
            },
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.io(source)),
        }
    }

    /// It was taken up.
    pub(crate) fn forget_handover(&self) -> Result<(), HomeError> {
        match fs::remove_file(self.file(HANDOVER)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(self.io(why)),
            _ => Ok(()),
        }
    }

    pub(super) fn begin_restoring(&self) -> Result<(), HomeError> {
        let until = clock::now().after(RESTORING_MS).0.to_string();
        write_private(&self.file(RESTORING), until.as_bytes()).map_err(|source| self.io(source))
    }

    /// Whether co-members are still asked where this person is a member (D6b).
    pub(super) fn is_restoring(&self) -> bool {
        let until = self.text(RESTORING).ok().and_then(|text| text.parse().ok());
        until.is_some_and(|until| clock::now() < Millis(until))
    }
}
