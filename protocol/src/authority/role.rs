//! Roles, and what each kind of operation needs.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A person's standing in a community, weakest first. Broker is not a role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Not a member.
    #[default]
    None,
    /// Reads, asks, replies.
    Peripheral,
    /// Posts, admits newcomers.
    Member,
    /// Invites.
    Core,
    /// Rules.
    Steward,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Role; 5] = [Role::None, Role::Peripheral, Role::Member, Role::Core, Role::Steward];

    /// Its number in the formats: 0 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::None => "none",
            Role::Peripheral => "peripheral",
            Role::Member => "member",
            Role::Core => "core",
            Role::Steward => "steward",
        }
    }

    /// The role of this word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The role of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Role> {
        Role::ALL.get(usize::from(number)).copied()
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Role::from_number(u8::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom("no such role"))
    }
}
