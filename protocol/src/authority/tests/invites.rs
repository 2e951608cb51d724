//! P14 and P15: what an invite is worth, for whom and until when.

use std::collections::BTreeSet;

use super::{
    histories::{History, actor},
    oracle::{Act, Cert, Op, Step, Under, Who},
    properties::{Before, TRIES, spree},
    seeds::play,
};
use crate::{
    authority::{Body, Grant, Role},
    encoding::{decode, encode},
    id::CommunityId,
    invite::{CheckedJoin, InviteCert, InviteKey, Join},
    limits,
    signed::{KeyAndSignature, Payload, Signed, Unsound, Verified},
    testing::{Actor, Dice, NOW, Pen, START},
    time::{DAY_MS, Millis},
};

/// The same bytes but for one bit, whether of what is signed, of a key or of a signature.
fn flipped(dice: &mut Dice, signed: &Signed) -> Option<Signed> {
    let mut bytes = encode(signed);
    let at = dice.below(bytes.len());
    bytes[at] ^= 1 << dice.below(8);
    decode(&bytes, limits::OPERATION_BYTES).ok()
}

/// What `other` could make of somebody's join: each part theirs or the other's, and the
/// signatures that they have or can make.
fn forged(dice: &mut Dice, join: &Signed, other: &Actor) -> Signed {
    let mut said: Join = join.read().unwrap();
    let record = other.record();
    // The person at least is another one.
    said.person.inception = record.inception;
    if dice.chance(1, 2) {
        said.person.reveals = record.reveals;
    }
    if dice.chance(1, 2) {
        said.person.devices = record.devices;
    }
    let theirs = Signed::seal(&said, &[&other.ladder.key(0), &other.device, &other.at_device(1).device]);
    // Their own two and the invite key's old one; all the old ones; or a key of theirs in its place.
    let old = &join.signatures;
    let own = |key| theirs.signatures.iter().find(|s| s.0 == key).copied().unwrap();
    let two = [own(other.ladder.key(0).public()), own(other.device.public())];
    let mut signatures: Vec<KeyAndSignature> = match dice.below(3) {
        0 => old.iter().copied().collect(),
        1 => two.into_iter().chain([old[dice.below(3)]]).collect(),
        _ => theirs.signatures.iter().copied().collect(),
    };
    signatures.sort_by_key(|signature| signature.0);
    Signed { payload: theirs.payload, signatures: crate::bytes::List::new(signatures).unwrap() }
}

#[test]
fn a_join_is_its_persons_alone_and_no_bit_of_key_certificate_or_join_may_change() {
    play("P14", |dice| {
        let (inviter, newcomer) = (actor(dice.below(4) as Who), actor(4 + dice.below(4) as Who));
        let community = CommunityId::new([dice.below(256) as u8; 32]);
        let invite = inviter.invite(community, Grant::Founder(0), 1 + dice.below(100) as u32, dice.below(256) as u8);
        let join = newcomer.join(&invite);
        let check = |join: Signed| CheckedJoin::check(join, Some(&invite.cert));
        assert_eq!(check(join.clone()).unwrap().person.id, newcomer.person());
        for _ in 0..TRIES {
            let other = actor(8 + dice.below(4) as Who);
            assert!(check(forged(dice, &join, &other)).is_err(), "P14: a join of somebody else's");
            let altered = flipped(dice, &join).map(check);
            assert!(!matches!(altered, Some(Ok(_))), "P14: a join with one bit changed");
            let cert = flipped(dice, &invite.cert.signed).map(Verified::<InviteCert>::check);
            assert!(!matches!(cert, Some(Ok(_))), "P14: a certificate with one bit changed");
            let mut text = invite.to_text().into_bytes();
            let at = dice.below(text.len());
            text[at] ^= 1 << dice.below(8);
            let read = String::from_utf8(text).ok().and_then(|text| InviteKey::from_text(&text).ok());
            // A capital and white space are forgiven: they are the same key.
            let is_same = |key: &InviteKey| key.to_text() == invite.to_text();
            assert!(read.is_none_or(|key| is_same(&key)), "P14: a key with one bit changed");
        }
        4 * TRIES
    });
}

#[test]
fn a_checked_certificate_stands_for_nothing_but_itself() {
    // A certificate of another community, and the join of another certificate.
    let (inviter, newcomer) = (actor(0), actor(1));
    let [here, there] = [1, 2].map(|number| inviter.invite(CommunityId::new([number; 32]), Grant::Founder(0), 1, 1));
    let mut mixed: InviteCert = here.cert.value.clone();
    mixed.community = there.community;
    let mixed = Signed { payload: crate::bytes::Blob::new(mixed.to_canonical()).unwrap(), ..here.cert.signed.clone() };
    assert!(matches!(Verified::<InviteCert>::check(mixed), Err(Unsound::BadSignature(_))));
    assert!(CheckedJoin::check(newcomer.join(&here), Some(&there.cert)).is_err());
    assert!(CheckedJoin::check(newcomer.knock(here.community), Some(&here.cert)).is_err());
    assert!(CheckedJoin::check(newcomer.join(&here), None).is_err());
}

/// Whatever admissions with this certificate `authors` sign that have these in their past too.
fn admissions(history: &mut History, dice: &mut Dice, authors: &[Who], cert: Cert, after: &[Op]) -> Vec<Op> {
    spree(history, dice, authors, TRIES, (1, 2), |step, _| {
        let Act::Admit { cert: with, .. } = &mut step.act else { return false };
        *with = cert;
        step.parents.extend(after);
        step.parents.extend(if let Under::Op(op) = cert.auth { Some(op) } else { None });
        step.parents.sort_unstable();
        step.parents.dedup();
        step.parents.len() <= 16
    })
}

/// What makes an invite worth nothing, once it is in the log: the operations that admissions then
/// have to have seen, if any.
fn exhaust(history: &mut History, dice: &mut Dice, before: &Before, cert: Cert) -> Option<Vec<Op>> {
    let stewards = before.with(Role::Steward..=Role::Steward);
    match dice.below(3) {
        // Used up, by whomever, with effect or without; for those who used it as well.
        0 => {
            let people: Vec<Who> = history.people().into_iter().collect();
            let used = admissions(history, dice, &people, cert, &[]);
            let mut subjects = BTreeSet::new();
            let is_new = |op: &Op| subjects.insert(super::oracle::subjects(&history.steps[*op]));
            let used: Vec<Op> = used.into_iter().filter(is_new).take(cert.max_uses() + 1).collect();
            (used.len() > cert.max_uses()).then_some(used)
        }
        // Ended, by a steward.
        1 => {
            let steward = *dice.pick(&stewards)?;
            let grants = history.oracle().grants_of(steward);
            let auth = *dice.pick(&grants)?;
            let (signers, parents) = (vec![(steward, 0)], history.heads());
            let end = Step { author: Some(steward), auth, signers, parents, act: Act::InviteEnd { cert } };
            let end = history.add(end)?;
            // A steward may have signed it under a grant of less, and then it ends their own invites only.
            history.oracle().ends(end, cert).then(Vec::new)
        }
        // Its inviter was lowered.
        _ => {
            let (subjects, cut) = (vec![cert.inviter], None);
            let act = Act::Rule { subjects, role: Role::Member, vouch: false, cut, joins: false };
            let ruling = history.root(dice, history.heads(), act);
            history.add(ruling).map(|_| Vec::new())
        }
    }
}

#[test]
fn an_invite_that_is_ended_used_up_expired_or_whose_inviter_may_not_invite_admits_nobody() {
    play("P15", |dice| {
        let mut history = History::random(dice);
        let (before, _) = Before::of(&history);
        let oracle = history.oracle();
        let grants = |who: &Who| oracle.grants_of(*who).into_iter().map(|grant| (*who, grant)).collect::<Vec<_>>();
        let inviters = before.with(Role::Core..=Role::Steward);
        let grants = inviters.iter().flat_map(grants).filter(|(_, grant)| oracle.role_of(*grant) >= Role::Core);
        let grants: Vec<(Who, Under)> = grants.collect();
        let members = before.with(Role::Member..=Role::Core);
        let Some((inviter, auth)) = dice.pick(&grants).copied().filter(|_| !members.is_empty()) else { return 0 };
        let cert = Cert { inviter, device: 0, auth, number: dice.below(3) as u8 };
        let expired = expired(&history, dice, cert, &members);
        let Some(after) = exhaust(&mut history, dice, &before, cert) else { return expired };
        let tried = admissions(&mut history, dice, &members, cert, &after);
        let effective = history.effective(&history.state());
        for op in &tried {
            assert!(!effective[*op], "P15: {:?}", history.steps[*op]);
        }
        expired + tried.len()
    });
}

/// Admissions before and after the time of an invite, on whatever parents; none may be stored.
fn expired(history: &History, dice: &mut Dice, cert: Cert, members: &[Who]) -> usize {
    let auth = history.under(cert.auth);
    let day = |days: u64| Millis(START.0 + days * DAY_MS);
    let invite = actor(cert.inviter).invite_with(history.log.id(), auth, cert.number, |terms| {
        (terms.not_before, terms.not_after) = (day(10), day(20));
    });
    for _ in 0..TRIES {
        let author = *dice.pick(members).expect("there are members");
        let grants = history.oracle().grants_of(author);
        let grant = history.under(*dice.pick(&grants).expect("a member has a grant"));
        let ts = if dice.chance(1, 2) {
            Millis(day(10).0 - 1 - dice.below(9) as u64)
        } else {
            Millis(day(20).0 + 1 + dice.below(9) as u64)
        };
        let mut parents = vec![history.ids[dice.below(history.ids.len())]];
        parents
            .extend([grant, auth].iter().filter_map(|grant| if let Grant::Op(id) = grant { Some(*id) } else { None }));
        let newcomer = actor(1_000 + dice.below(3) as Who);
        let body = Body::Admit(invite.cert.signed.clone(), newcomer.join(&invite));
        let admit = Pen::new(&history.log, &actor(author), grant).on(&parents).at(ts).sign(body);
        assert!(history.log.clone().add(admit, NOW).is_err(), "P15: at {ts:?}");
    }
    TRIES
}
