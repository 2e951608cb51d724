//! A home that is held, cannot be written, is too new or not there, and an address that is taken: each is said in one
//! line, and changes nothing. What asks for a home's data from outside gets none.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use hearth_tests::process::{Program, answer};
use hearth_tests::tree::Tree;
use hearth_tests::world::World;

use crate::acts::ids;
use crate::refusals::{mentions, one_clear_line, refused, refused_at_once};

/// A user id that owns nothing on a machine (`nobody`).
const NOBODY: u32 = 65_534;

// alice, twice
#[test]
fn a_second_node_in_the_same_home_is_refused_at_once() {
    let world = World::new("second-run");
    let alice = world.person("alice");
    let node = alice.start();
    let args = ["run", "--api", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let refusal = alice.hearth(&args).refusal(1);
    mentions(&refusal, &node.id().to_string());
    let plain = answer(alice.plain(&args), b"");
    assert_eq!(plain.code(), Some(1));
    one_clear_line(&plain);
    // The first one is not disturbed.
    assert_eq!(alice.hearth(&["status"]).one()["running"], true);
    let _ = alice.hearth(&["post", "still here"]).one();
}

// alice, where somebody else listens
#[test]
fn an_address_in_use_is_named() {
    let world = World::new("in-use");
    let alice = world.person("alice");
    let tcp_held = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let udp_held = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    let tcp = tcp_held.local_addr().expect("it is bound").port();
    let udp = udp_held.local_addr().expect("it is bound").port();
    let free = "/ip4/127.0.0.1/tcp/0";
    let cases = [
        (tcp, "127.0.0.1:0".to_owned(), format!("/ip4/127.0.0.1/tcp/{tcp}")),
        (udp, "127.0.0.1:0".to_owned(), format!("/ip4/127.0.0.1/udp/{udp}/quic-v1")),
        (tcp, format!("127.0.0.1:{tcp}"), free.to_owned()),
    ];
    for (port, api, listen) in &cases {
        let refusal = refused(&alice, &["run", "--api", api, "--listen", listen], b"", 1);
        mentions(&refusal, &port.to_string());
        mentions(&refusal, "in use");
    }
}

// alice, on a medium that cannot be written
#[test]
fn a_home_that_cannot_be_written_is_named() {
    let world = World::new("read-only");
    let alice = world.person("alice");
    let _ = alice.hearth(&["post", "kept before"]).one();
    let as_root = fs::metadata(world.folder()).is_ok_and(|about| about.uid() == 0);
    let program = world.folder().join("hearth");
    // By another process: a file that this one has written may still be open in a child of another thread.
    let copied = Command::new("cp").arg(Program::under_test().path()).arg(&program).status();
    assert!(copied.is_ok_and(|status| status.success()));
    set_mode(world.folder(), 0o755);
    if as_root {
        give_away(alice.folder());
        give_away(alice.beside());
    }
    take_away_writing(alice.folder());

    let before = Tree::of(alice.folder());
    let run = ["run", "--api", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0"];
    for args in [&["post", "kept after"][..], &run] {
        let mut command = Program::at(&program).command(alice.beside());
        command.arg("--home").arg(alice.folder()).arg("--json").args(args);
        if as_root {
            // Permissions do not hold for root.
            command.uid(NOBODY).gid(NOBODY).current_dir("/");
        }
        let refusal = answer(command, b"").refusal(1);
        mentions(&refusal, &alice.folder().display().to_string());
    }
    assert_eq!(before.changes(&Tree::of(alice.folder())), Vec::<String>::new());
    give_back_writing(alice.folder());
}

/// Makes `nobody` the owner of a folder and all in it.
fn give_away(folder: &Path) {
    each_under(folder, &|path| {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    });
}

fn take_away_writing(folder: &Path) {
    each_under(folder, &|path| set_mode(path, mode(path) & !0o222));
}

/// So that the test's folder can be removed by whoever made it.
fn give_back_writing(folder: &Path) {
    set_mode(folder, mode(folder) | 0o700);
    each_under(folder, &|path| set_mode(path, mode(path) | 0o200));
}

fn mode(path: &Path) -> u32 {
    let about = fs::metadata(path).expect("what was listed is there");
    about.permissions().mode()
}

fn set_mode(path: &Path, mode: u32) {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions).expect("the test's folder is ours");
}

/// Calls `act` with all files and folders under `folder`, and at last with itself.
fn each_under(folder: &Path, act: &dyn Fn(&Path)) {
    for found in fs::read_dir(folder).expect("the test's folder can be listed") {
        let path = found.expect("the test's folder can be listed").path();
        if path.is_dir() {
            each_under(&path, act);
        } else {
            act(&path);
        }
    }
    act(folder);
}

// alice, who went back to an older Hearth
#[test]
fn a_home_of_a_newer_version_is_left_alone() {
    let world = World::new("newer");
    let alice = world.person("alice");
    let _ = alice.hearth(&["post", "kept by the newer one"]).one();
    let format = alice.folder().join("store/format");
    let says = fs::read_to_string(&format).expect("a store says its format");
    let newer = says.replacen(|digit: char| digit.is_ascii_digit(), "99", 1);
    assert_ne!(newer, says, "the format is a number");
    fs::write(&format, newer).expect("the folder is the test's own");
    let run = ["run", "--api", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0"];
    for args in [&["list"][..], &["post", "kept by the older one"], &run] {
        let refusal = refused_at_once(&alice, args, b"", 1);
        mentions(&refusal, "newer");
    }
    fs::write(&format, says).expect("the folder is the test's own");
    assert_eq!(ids(&alice, "mine").len(), 1, "the newer one finds everything again");
}

// nobody yet
#[test]
fn what_needs_a_home_says_how_to_make_one() {
    let world = World::new("no-home");
    let alice = world.home("alice");
    for args in [&["list"][..], &["post", "too early"], &["status"]] {
        let refusal = refused(&alice, args, b"", 1);
        mentions(&refusal, "hearth init");
    }
    assert!(!alice.folder().exists());
    let _ = alice.hearth(&["init", "--name", "alice"]).one();
    let _ = refused(&alice, &["init", "--name", "eve"], b"", 1);
    assert_eq!(alice.hearth(&["status"]).text("name"), "alice");
}

// eve, at alice's API
#[test]
fn a_page_from_elsewhere_gets_nothing_from_the_api() {
    let world = World::new("foreign");
    let alice = world.person("alice");
    let node = alice.start();
    let api = node.ready()["api"].as_str().expect("a node prints its address");
    let address = api.trim_start_matches("http://").trim_end_matches('/');
    let token = fs::read_to_string(alice.folder().join("token")).expect("a home has a token");
    let token = format!("Authorization: Bearer {}\r\n", token.trim());
    let ask = |head: String| {
        let mut stream = TcpStream::connect(address).expect("the node listens");
        let request = format!("GET /api/0/status HTTP/1.1\r\n{head}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the node listens");
        let mut said = Vec::new();
        // A node may cut off what it does not like.
        let _ = stream.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    };
    let host = format!("Host: {address}\r\n");
    let cases = [
        ("200", "", format!("{host}{token}")),
        ("401", "no_token", host.clone()),
        ("401", "no_token", format!("{host}Authorization: Bearer {}\r\n", "0".repeat(64))),
        ("403", "foreign_host", format!("Host: evil.example\r\n{token}")),
        ("403", "foreign_origin", format!("{host}{token}Origin: https://evil.example\r\n")),
        ("403", "foreign_origin", format!("{host}{token}Origin: null\r\n")),
    ];
    for (status, reason, head) in cases {
        let said = ask(head.clone());
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{head}\n{said}");
        assert!(said.contains(reason), "{head}\n{said}");
        assert_eq!(said.contains(alice.id()), status == "200", "{head}\n{said}");
    }
}
