//! The gates of a border: each question that is asked of a crossing, whose rule it is, and what was answered.
//!
//! Leaves to others: asking. Always true: gates stand in the order in which they were asked, each once; the first that
//! refuses is why a crossing is refused.

use super::RelayRefusal;

/// Whose rule a gate is, and so who can open it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The item's author, by the reach that they signed (8.2).
    Author,
    /// The community that the item leaves, by its link out (8.1).
    Leaving,
    /// The community that the item enters, by its link in (8.1).
    Entering,
    /// Whoever carries it, by what they prove and sign (8.3).
    Broker,
}

impl Owner {
    /// The word that commands and the API show.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Owner::Author => "author",
            Owner::Leaving => "from",
            Owner::Entering => "to",
            Owner::Broker => "broker",
        }
    }
}

/// One question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// Whose rule it is.
    pub owner: Owner,
    /// What it is refused as where it is refused.
    pub why: RelayRefusal,
    /// Whether it lets the item pass.
    pub passed: bool,
}

impl Gate {
    /// What it asks about, in a word or two.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.why {
            RelayRefusal::ItemUnproven => "signature",
            RelayRefusal::OtherOrigin => "origin",
            RelayRefusal::BeyondReach => "reach",
            RelayRefusal::BeyondHops => "hops",
            RelayRefusal::BadProof => "proof",
            RelayRefusal::BrokerNotNamed => "broker named",
            RelayRefusal::OtherDestination => "destination",
            RelayRefusal::KindNotLinked => "kind",
            RelayRefusal::TagNotLinked => "tags",
            RelayRefusal::AuthorNotConfirmed => "author confirmed",
            RelayRefusal::LinkOver => "link in force",
            RelayRefusal::NoOutLink => "link out",
            RelayRefusal::NoInLink => "link in",
            RelayRefusal::BrokerNoMember => "broker a member",
            RelayRefusal::OnItsPath => "not there yet",
            RelayRefusal::Retracted => "not retracted",
            RelayRefusal::OverQuota => "quota",
            RelayRefusal::AfterCut => "mandate",
            RelayRefusal::NotAReply => "reply",
            RelayRefusal::Recalled => "not called back",
            RelayRefusal::Declined => "not declined",
            RelayRefusal::AuthorLeft => "author a member",
        }
    }
}

/// A no, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{why}; that is for {} to change", match owner {
    Owner::Author => "its author",
    Owner::Leaving => "the community it leaves",
    Owner::Entering => "the community it enters",
    Owner::Broker => "the broker",
})]
pub struct Refused {
    /// Why.
    pub why: RelayRefusal,
    /// Whose rule it is.
    pub owner: Owner,
}

/// All that was asked of one crossing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gates(Vec<Gate>);

impl Gates {
    /// Notes an answer, and gives it back.
    pub fn ask(&mut self, owner: Owner, why: RelayRefusal, passed: bool) -> bool {
        match self.0.iter_mut().find(|gate| (gate.owner, gate.why) == (owner, why)) {
            Some(gate) => gate.passed &= passed,
            None => self.0.push(Gate { owner, why, passed }),
        }
        passed
    }

    /// The first that refuses.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        self.0.iter().find(|gate| !gate.passed).map(|gate| Refused { why: gate.why, owner: gate.owner })
    }

    /// Each, in the order in which they were asked.
    pub fn iter(&self) -> impl Iterator<Item = &Gate> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_stands_once_and_one_no_closes_it() {
        let mut gates = Gates::default();
        assert!(gates.ask(Owner::Leaving, RelayRefusal::KindNotLinked, true));
        assert!(gates.ask(Owner::Entering, RelayRefusal::KindNotLinked, true));
        assert_eq!(gates.refused(), None);
        assert!(!gates.ask(Owner::Entering, RelayRefusal::KindNotLinked, false));
        assert!(gates.ask(Owner::Entering, RelayRefusal::KindNotLinked, true));
        assert!(!gates.ask(Owner::Author, RelayRefusal::BeyondReach, false));
        let refused = Refused { why: RelayRefusal::KindNotLinked, owner: Owner::Entering };
        assert_eq!((gates.iter().count(), gates.refused()), (3, Some(refused)));
        assert!(refused.to_string().ends_with("that is for the community it enters to change"), "{refused}");
    }
}
