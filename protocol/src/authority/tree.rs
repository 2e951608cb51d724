//! The tree of grants, and which rulings bear on which grant (B3, B4, B5).
//!
//! All of it follows from the operations alone: nothing here asks whether one has effect, so
//! adding an operation never changes it (P11).

use std::ops::Range;

use super::{Body, Grant, Log, Place, Role, bits::Bits};
use crate::id::PersonId;

/// A grant, with its operation's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Held {
    Root,
    Founder(u8),
    At(usize),
}

/// Every grant hangs under the one that its author acted under. A ruling on several persons is a
/// grant for each of them, so that none of them stands above what the others give.
///
/// A node's descendants have the numbers that follow its own, so asking what lies above what
/// takes no walk.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    /// ROOT, the founders, then the grants in the order of their places.
    nodes: Vec<Node>,
    /// The first node of each place's grants.
    first_node: Vec<usize>,
    /// The node that each place cites.
    cited: Vec<usize>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Node {
    parent: usize,
    depth: usize,
    number: usize,
    /// Nodes in the branch that begins here.
    size: usize,
}

const ROOT: usize = 0;

impl Tree {
    pub(super) fn new(log: &Log) -> Tree {
        let mut tree =
            Tree { nodes: vec![Node { size: 1, ..Node::default() }], first_node: vec![ROOT], cited: vec![ROOT] };
        for _ in &log.community.founders {
            tree.hang(ROOT);
        }
        for (_, place) in log.numbered() {
            // Whatever a stored operation cites is in its past, so it has its node.
            let cited = tree.node_cited(log, place);
            tree.cited.push(cited);
            tree.first_node.push(tree.nodes.len());
            if place.granted() > Role::None {
                place.subjects().iter().for_each(|_| tree.hang(cited));
            }
        }
        tree.number();
        tree
    }

    fn hang(&mut self, parent: usize) {
        let depth = self.nodes.get(parent).map_or(0, |parent| parent.depth.saturating_add(1));
        self.nodes.push(Node { parent, depth, number: 0, size: 1 });
    }

    /// Numbers the nodes so that each branch is one run of numbers.
    fn number(&mut self) {
        for at in (1..self.nodes.len()).rev() {
            let Some(Node { parent, size, .. }) = self.nodes.get(at).copied() else { continue };
            if let Some(parent) = self.nodes.get_mut(parent) {
                parent.size = parent.size.saturating_add(size);
            }
        }
        // The next number that is free in each branch.
        let mut free: Vec<usize> = vec![1; self.nodes.len()];
        for at in 1..self.nodes.len() {
            let Some(Node { parent, size, .. }) = self.nodes.get(at).copied() else { continue };
            let Some(next) = free.get_mut(parent) else { continue };
            let number = *next;
            *next = number.saturating_add(size);
            if let (Some(node), Some(next)) = (self.nodes.get_mut(at), free.get_mut(at)) {
                node.number = number;
                *next = number.saturating_add(1);
            }
        }
    }

    fn node_cited(&self, log: &Log, place: &Place) -> usize {
        held(log, place.operation.auth).and_then(|grant| self.node(log, place.operation.author, grant)).unwrap_or(ROOT)
    }

    fn node(&self, log: &Log, person: PersonId, grant: Held) -> Option<usize> {
        match grant {
            Held::Root => Some(ROOT),
            Held::Founder(number) => Some(usize::from(number).saturating_add(1)),
            Held::At(at) => {
                let whose = log.place(at)?.subjects().iter().position(|subject| *subject == person)?;
                Some(self.first_node.get(at)?.saturating_add(whose))
            }
        }
    }

    /// How many grants the one that this operation cites hangs from.
    pub(super) fn depth_of_auth(&self, at: usize) -> usize {
        self.cited.get(at).and_then(|cited| self.nodes.get(*cited)).map_or(0, |node| node.depth)
    }

    /// The ruling at this place, if it can bear on anything: a vouch does not (B14).
    pub(super) fn ruling(&self, at: usize, place: &Place) -> Option<Ruling> {
        let Body::Rule(rule) = &place.operation.body else { return None };
        let cited = *self.nodes.get(*self.cited.get(at)?)?;
        let by_root = place.operation.auth == Grant::Root;
        (!rule.vouch).then_some(Ruling {
            at,
            left: rule.role,
            by_root,
            below: Branch(cited.number..cited.number.saturating_add(cited.size)),
        })
    }

    /// A grant of `person`'s, ready to be held against rulings.
    pub(super) fn target<'a>(&self, log: &'a Log, person: PersonId, grant: Held) -> Target<'a> {
        let number =
            self.node(log, person, grant).and_then(|node| self.nodes.get(node)).map_or(ROOT, |node| node.number);
        let granting = match grant {
            Held::At(at) => log.place(at),
            Held::Root | Held::Founder(_) => None,
        };
        let is_admit = granting.is_some_and(|place| matches!(place.operation.body, Body::Admit(..)));
        // An invite never lifts a removal, so its grant has no past that would shield it.
        let shield = granting.filter(|_| !is_admit).map(|place| &place.past);
        Target { given: granted(log, grant), number, shield }
    }

    /// B5: those of `rulings`, all of them on `person`, that bear on a grant, with the role each
    /// leaves.
    pub(super) fn bearing<'a>(
        &self,
        log: &'a Log,
        rulings: &'a [Ruling],
        person: PersonId,
        grant: Held,
    ) -> impl Iterator<Item = (usize, Role)> + use<'a> {
        let target = self.target(log, person, grant);
        rulings.iter().filter_map(move |ruling| Some((ruling.at, target.left_by(ruling)?)))
    }

    /// The nodes of the branch that hangs from a grant of `person`'s, that grant first.
    pub(super) fn branch(&self, log: &Log, person: PersonId, grant: Held) -> Option<Branch> {
        let node = *self.nodes.get(self.node(log, person, grant)?)?;
        Some(Branch(node.number..node.number.saturating_add(node.size)))
    }
}

/// A grant and all that hangs from it.
#[derive(Debug, Clone)]
pub(super) struct Branch(Range<usize>);

/// A ruling, as far as it matters for what it bears on.
#[derive(Debug, Clone)]
pub(super) struct Ruling {
    pub(super) at: usize,
    /// The role that it leaves.
    pub(super) left: Role,
    by_root: bool,
    /// What hangs from the grant that it cites.
    below: Branch,
}

/// A grant, as far as it matters for what bears on it.
#[derive(Debug, Clone)]
pub(super) struct Target<'a> {
    pub(super) given: Role,
    number: usize,
    /// Rulings that were known when it was given: it came in spite of them.
    shield: Option<&'a Bits>,
}

impl Target<'_> {
    /// B5, with B4: the role that `ruling`, which is on the same person, leaves of this grant, if
    /// it bears on it.
    pub(super) fn left_by(&self, ruling: &Ruling) -> Option<Role> {
        (self.is_meant_by(ruling) && self.is_under(ruling)).then_some(ruling.left)
    }

    /// B5 without B4: whether `ruling` would lower this grant, were it entitled to.
    pub(super) fn is_meant_by(&self, ruling: &Ruling) -> bool {
        // No ruling lowers what it gives itself: that is as high as what it leaves.
        ruling.left < self.given && !self.shield.is_some_and(|past| past.has(ruling.at))
    }

    /// B4, of a ruling.
    pub(super) fn is_under(&self, ruling: &Ruling) -> bool {
        ruling.by_root || self.is_below(&ruling.below)
    }

    /// B4, of whatever is signed under the grant from which `branch` hangs.
    pub(super) fn is_below(&self, branch: &Branch) -> bool {
        self.given < Role::Steward || (branch.0.start < self.number && self.number < branch.0.end)
    }
}

pub(super) fn held(log: &Log, grant: Grant) -> Option<Held> {
    match grant {
        Grant::Root => Some(Held::Root),
        Grant::Founder(number) => Some(Held::Founder(number)),
        Grant::Op(id) => log.number(id).map(Held::At),
    }
}

/// The role that a grant gives (B2).
pub(super) fn granted(log: &Log, grant: Held) -> Role {
    match grant {
        Held::Root | Held::Founder(_) => Role::Steward,
        Held::At(at) => log.place(at).map_or(Role::None, |place| place.granted()),
    }
}

/// The founder's own grant of `person`, if a founder.
pub(super) fn founding(log: &Log, person: PersonId) -> Option<Held> {
    log.community.founder(person).map(Held::Founder)
}
