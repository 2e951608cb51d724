//! A home folder that was copied and is used on both sides: everybody who has what both wrote is told.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{Host, text};
use crate::{Home, Mode, Node};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        match file.file_type().unwrap() {
            kind if kind.is_dir() => copy(&file.path(), &target),
            kind if kind.is_file() => drop(fs::copy(file.path(), target).unwrap()),
            _ => {}
        }
    }
}

/// Writes from a home, compares with whoever can be reached, and gives back what was written.
async fn write(home: &Home, words: &str) -> (Host, Value) {
    let mode = Mode::Command { name: "test".to_owned(), network: true };
    let node = Box::pin(Node::open(home, mode, None)).await.unwrap();
    let (token, folder) = (node.token().to_owned(), tempfile::tempdir().unwrap());
    let host = Host { node, home: home.clone(), token, _folder: folder };
    let written = host.tell("/items", json!({ "kind": "post", "to": ["garden"], "text": words })).await;
    host.tell("/sync", json!({})).await;
    (host, written["items"][0]["item"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_told_of_a_copied_home_and_its_owner_first() {
    // alice, and a copy of hers ── bob
    let bob = Host::running("bob").await;
    let garden = bob.found("garden").await;
    let alice = Host::dialling("alice").await;
    alice.join(&bob.invite("garden", 1).await).await;
    let (person, device) = {
        let status = alice.get("/status").await;
        assert_eq!(status["findings"], json!([]), "the control");
        (text(&status["person"]), text(&status["device"]))
    };
    let Host { node, home, _folder: folder, .. } = alice;
    node.close().await.unwrap();
    let copied = Home::at(folder.path().join("copied"));
    copy(home.path(), copied.path());

    let (original, one) = write(&home, "one").await;
    original.node.close().await.unwrap();
    let (copy, other) = write(&copied, "other").await;
    let mut proof = [text(&one), text(&other)];
    proof.sort();

    let find = |status: &Value| {
        let findings = status["findings"].as_array().unwrap().clone();
        let [finding] = &findings[..] else { panic!("one finding: {findings:?}") };
        assert_eq!((&finding["kind"], &finding["person"]), (&json!("forked_device"), &json!(person)));
        assert_eq!((&finding["device"], &finding["community"]), (&json!(device), &json!(garden)));
        assert_eq!((&finding["proof"]["first"], &finding["proof"]["second"]), (&json!(proof[0]), &json!(proof[1])));
        assert!(finding["proof"]["number"].is_u64(), "{finding}");
        let what = text(&finding["what"]);
        assert!(proof.iter().all(|id| what.contains(&id[..10])) && what.contains("home folder was copied"), "{what}");
        (what, finding["do"].clone(), finding["urgent"].clone())
    };
    let (what, command, urgent) = find(&bob.get("/status").await);
    assert!(what.contains("Tell alice") && what.contains("hearth member remove"), "{what}");
    assert_eq!((command, urgent), (Value::Null, Value::Null));
    let (what, command, urgent) = find(&copy.get("/status").await);
    assert!(what.starts_with("THIS device signed two different things under the number "), "{what}");
    assert_eq!((command, urgent), (json!(format!("hearth device revoke {}", &device[..10])), json!(true)));

    let members = bob.get("/communities/garden/members").await;
    let forked = |name: &str| {
        let member = members["members"].as_array().unwrap().iter().find(|member| member["name"] == name).unwrap();
        member["forked"].clone()
    };
    assert_eq!((forked("alice"), forked("bob")), (json!([device]), Value::Null));
    let devices = copy.get("/devices").await;
    assert_eq!(devices["devices"][0]["forked"][0]["first"], proof[0], "{devices}");
    assert_eq!(bob.get("/devices").await["devices"][0]["forked"], Value::Null);
    copy.node.close().await.unwrap();
    bob.node.close().await.unwrap();
}
