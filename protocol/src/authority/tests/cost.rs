//! What evaluation costs, and that long chains cost no stack.

use std::{thread, time::Instant};

use crate::{
    authority::{
        Body, Grant, Log, OperationRefusal, Role,
        certify::Statement,
        check::Checked,
        evaluate, findings,
        log::{Newcomer, Place},
    },
    bytes::{Blob, Bytes, List},
    encoding::V1,
    epoch::Scope,
    id::{CertId, OpId, PersonId},
    invite::InviteCert,
    key::{PublicKey, Signature},
    limits,
    person::{Caps, DeviceCert, Person},
    signed::{KeyAndSignature, Signed},
    testing::{Actor, Dice, FIRST, NOW, Pen, START, Scene, alice, rule_on, up_to},
    time::{DAY_MS, Millis},
};

/// A number as something that is 32 bytes long.
fn numbered(number: usize) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// Somebody made up, whose keys nobody holds.
fn somebody(number: usize) -> Person {
    let (id, device) = (PersonId::new(numbered(number)), PublicKey(Bytes(numbered(number))));
    let cert =
        DeviceCert { version: V1, person: id, index: 0, device, kem: Bytes([0; 32]), caps: Caps::ALL, ts: START };
    Person { id, index: 0, key: device, devices: vec![cert] }
}

/// Stores an operation that nobody signed: the checks are not what is looked at here.
fn store(log: &mut Log, author: (PersonId, PublicKey), auth: Grant, body: Body, newcomer: Option<Person>) -> OpId {
    let at = log.next_number();
    let id = OpId::new(numbered(at));
    let mut operation = Pen::new(log, alice(), auth).draft(body);
    (operation.author, operation.device) = author;
    let signature = KeyAndSignature(author.1, Signature(Bytes([0; 64])));
    let signed = Signed { payload: Blob::new(Vec::new()).unwrap(), signatures: List::new(vec![signature]).unwrap() };
    let newcomer = newcomer.map(|person| Newcomer { person, name: String::new(), record: alice().record() });
    let stated = newcomer.as_ref().map(|newcomer| {
        let statement = Statement::of_record(at, &newcomer.record, &newcomer.person);
        (newcomer.person.id, newcomer.record.inception.clone(), statement)
    });
    let cert = matches!(operation.body, Body::Admit(..)).then(|| (CertId::new(numbered(at)), cert(log)));
    let past = log.closure(&operation.parents);
    log.store(Checked { place: Place { id, operation, signed, newcomer, cert, past }, stated });
    id
}

/// An invite of alice's.
fn cert(log: &Log) -> InviteCert {
    InviteCert {
        version: V1,
        community: log.id(),
        inviter: alice().person(),
        auth: FIRST,
        device: alice().device.public(),
        invite: alice().device.public(),
        role: Role::Member,
        max_uses: 1,
        only: None,
        not_before: START,
        not_after: Millis(START.0 + DAY_MS),
        salt: Bytes([0; 8]),
    }
}

/// Everybody made a member, or a steward, by the one before.
fn chain(length: usize, role: Role) -> Log {
    let mut log = Scene::founded_by(&[alice()]).log;
    let mut last = (alice().person(), alice().device.public(), FIRST);
    let signed = Signed { payload: Blob::new(Vec::new()).unwrap(), signatures: alice().knock(log.id()).signatures };
    for number in 0..length {
        let next = somebody(number);
        let body = match role {
            Role::Steward => Body::Rule(rule_on(&[next.id], role)),
            _ => Body::Admit(signed.clone(), signed.clone()),
        };
        let id = store(&mut log, (last.0, last.1), last.2, body, Some(next.clone()));
        last = (next.id, next.key, Grant::Op(id));
    }
    log
}

#[test]
fn a_chain_as_long_as_a_log_needs_no_more_stack_than_a_short_one() {
    let deep = || {
        for role in [Role::Member, Role::Steward] {
            let mut log = chain(limits::LOG_OPERATIONS - 1, role);
            let last = somebody(limits::LOG_OPERATIONS - 2).id;
            let start = Instant::now();
            let state = evaluate(&log);
            eprintln!("a chain of {}: evaluated in {:.0} ms", log.len(), start.elapsed().as_secs_f64() * 1000.0);
            assert_eq!(state.role(last), role);
            assert_eq!(state.grant(last, role), Some(Grant::Op(log.heads()[0])));
            // Without the first of them, all others go.
            let cut = Some(List::new(vec![log.id().into()]).unwrap());
            let removal = Body::Rule(crate::authority::Rule { cut, ..rule_on(&[somebody(0).id], Role::None) });
            store(&mut log, (alice().person(), alice().device.public()), FIRST, removal, None);
            let state = evaluate(&log);
            assert_eq!(state.role(last), Role::None);
            assert_eq!(state.current().count(), 1);
            let start = Instant::now();
            let found = findings(&log, &state).len();
            eprintln!("{found} findings in {:.0} ms", start.elapsed().as_secs_f64() * 1000.0);
            let over = Pen::new(&log, alice(), FIRST).policy(1, 1);
            assert_eq!(log.add(over, NOW), Err(OperationRefusal::LogFull));
        }
    };
    let thread = thread::Builder::new().stack_size(2 << 20).spawn(deep).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_log_takes_as_many_operations_as_it_may_have() {
    up_to(limits::LOG_OPERATIONS, OperationRefusal::LogFull, |n| {
        let mut log = chain(n - 1, Role::Steward);
        let last = Pen::new(&log, alice(), FIRST).on(&[log.id().into()]).policy(1, 1);
        log.add(last, NOW)
    });
}

/// A community that has lived: three partitions, a fifth of all operations rulings, one in twenty
/// an admission, the rest epochs and what else members sign.
fn lived(operations: usize) -> Log {
    let mut dice = Dice::new(7);
    let mut scene = Scene::founded_by(&[alice()]);
    let mut people: Vec<(Actor, Grant)> = vec![(alice().clone(), FIRST)];
    let mut views = vec![scene.log.heads(); 3];
    while scene.log.len() < operations {
        let at = dice.below(3);
        let (author, grant) = people[dice.below(people.len().min(20))].clone();
        let (member, members) = people[dice.below(people.len())].clone();
        let mut view = views[at].clone();
        if let Grant::Op(id) = grant {
            view.push(id);
        }
        let pen = scene.pen(&author, grant).on(&view);
        let operation = match dice.below(20) {
            0 => {
                let newcomer = Actor::numbered(people.len() as u32);
                let invite = alice().invite(scene.log.id(), FIRST, 1, (people.len() % 251) as u8);
                let operation = if people.len() < 20 {
                    pen.take_in(&newcomer, Role::Steward)
                } else {
                    pen.admit(&invite, &newcomer)
                };
                people.push((newcomer, Grant::Op(operation.id().into())));
                operation
            }
            1..=4 if people.len() > 20 && members != grant => {
                pen.rule(&member, [Role::Peripheral, Role::Member, Role::Core][dice.below(3)])
            }
            5 => pen.policy(1, 1),
            6 => pen.merge(),
            _ => pen.epoch(Scope::All, 1),
        };
        let id = operation.id().into();
        if let Ok(true) = scene.log.add(operation, NOW) {
            views[at] = vec![id];
            if dice.chance(1, 4) {
                let heard = views[dice.below(3)].clone();
                views[at].extend(heard);
            }
        }
    }
    scene.log
}

/// The pieces that all pasts have between them, and the pointers to them.
fn pieces(log: &Log) -> (usize, usize) {
    let all: Vec<*const ()> = log.operations().flat_map(|place| place.past.pieces()).collect();
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    (distinct.len(), all.len())
}

/// The fastest of five, in milliseconds.
fn fastest<T>(mut one: impl FnMut() -> T) -> f64 {
    let mut time = || {
        let start = Instant::now();
        std::hint::black_box(one());
        start.elapsed().as_secs_f64() * 1000.0
    };
    (0..5).map(|_| time()).fold(f64::INFINITY, f64::min)
}

/// How long an evaluation takes, and how long it takes to find what stewards hear of.
fn measure(what: &str, log: &Log) -> f64 {
    let evaluated = fastest(|| evaluate(log));
    let state = evaluate(log);
    let found = fastest(|| findings(log, &state));
    let rulings = log.operations().filter(|place| matches!(place.operation.body, Body::Rule(_))).count();
    eprintln!(
        "{what}: {} operations, {rulings} rulings, {} people: {evaluated:.2} ms; {} findings: {found:.2} ms",
        log.len(),
        log.persons.len(),
        findings(log, &state).len()
    );
    evaluated.max(found)
}

#[test]
#[ignore = "a measurement: cargo test --release -- --ignored --nocapture evaluation_is_fast"]
fn evaluation_is_fast_enough_to_be_done_anew() {
    for operations in [100, 1000, 10_000, limits::LOG_OPERATIONS] {
        let start = Instant::now();
        let log = lived(operations);
        let built = start.elapsed();
        let slower = measure("lived", &log);
        let (pieces, pointers) = pieces(&log);
        let bytes = pieces * 144 + pointers * 8;
        eprintln!(
            "  built in {:.1} s; pasts of {:.1} MB, {:.0} bytes each",
            built.as_secs_f64(),
            bytes as f64 / 1e6,
            bytes as f64 / operations as f64
        );
        assert!(operations > 10_000 || slower < 200.0, "{slower} ms");
    }
    // What a steward can do out of spite: every ruling on one person, each a grant as well.
    for operations in [1000, 2000, 10_000] {
        let mut log = Scene::founded_by(&[alice()]).log;
        let by_alice = (alice().person(), alice().device.public());
        store(&mut log, by_alice, FIRST, Body::Rule(rule_on(&[somebody(0).id], Role::Member)), Some(somebody(0)));
        for number in 0..operations {
            let role = [Role::Core, Role::Member][number % 2];
            store(&mut log, by_alice, FIRST, Body::Rule(rule_on(&[somebody(0).id], role)), None);
        }
        measure("spite", &log);
    }
    // A steward who asks ten thousand times that another one be removed.
    let mut log = Scene::founded_by(&[alice()]).log;
    let by_alice = (alice().person(), alice().device.public());
    let made = |number| Body::Rule(rule_on(&[somebody(number).id], Role::Steward));
    let first = store(&mut log, by_alice, FIRST, made(0), Some(somebody(0)));
    store(&mut log, by_alice, FIRST, made(1), Some(somebody(1)));
    for _ in 0..10_000 {
        let asked = Body::Rule(rule_on(&[somebody(1).id], Role::None));
        store(&mut log, (somebody(0).id, somebody(0).key), Grant::Op(first), asked, None);
    }
    measure("motions", &log);
}
