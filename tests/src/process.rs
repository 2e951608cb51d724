//! The program under test, run as a person would run it: one command at a time, or as a node that stays up.
//!
//! Leaves to others: what is said and expected, finding the program (`program`), reading what it says (`answer`).
//! Always true: a node is killed when its `Node` goes out of scope.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::answer::last;
use crate::wait;

pub use crate::answer::{Answer, Refusal, answer};
pub use crate::program::Program;

/// How long a node may take to go after it was asked to; what the project promises is 5 s on a quiet machine.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A home folder and the program that is run in it.
#[derive(Debug)]
pub struct Home {
    name: String,
    folder: PathBuf,
    beside: PathBuf,
    program: &'static Program,
    environment: Vec<(&'static str, OsString)>,
    /// Where its nodes listen, if not on a host of their own on loopback.
    host: Option<Ipv4Addr>,
    /// What its first node listened on, so that later ones are found where it was.
    listen: OnceLock<Vec<String>>,
    starts: AtomicU32,
}

impl Home {
    /// The home of `name` in `world`; nothing is made in it yet.
    #[must_use]
    pub fn new(name: &str, world: &Path, program: &'static Program) -> Home {
        let beside = world.join(format!("beside-{name}"));
        fs::create_dir_all(&beside).expect("a folder can be made in the test's own folder");
        Home {
            name: name.to_owned(),
            folder: world.join(name),
            beside,
            program,
            environment: Vec::new(),
            host: None,
            listen: OnceLock::new(),
            starts: AtomicU32::new(0),
        }
    }

    /// The same home, with a variable in the environment of all that is run in it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Home {
        self.environment.push((name, value.into()));
        self
    }

    /// The same home, whose nodes listen on `host`.
    #[must_use]
    pub fn at(mut self, host: Ipv4Addr) -> Home {
        self.host = Some(host);
        self
    }

    /// Whose home it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that `--home` names.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder beside it, for outputs of its nodes and what stands for the platform's folders.
    #[must_use]
    pub fn beside(&self) -> &Path {
        &self.beside
    }

    /// `hearth --home FOLDER ARGS`, without `--json`, not yet run.
    #[must_use]
    pub fn plain(&self, args: &[&str]) -> Command {
        let mut command = self.program.command(&self.beside);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("--home").arg(&self.folder).args(args);
        command
    }

    /// Runs `hearth --home FOLDER --json ARGS` to its end.
    pub fn hearth(&self, args: &[&str]) -> Answer {
        self.hearth_given(args, b"")
    }

    /// The same, with `input` on its standard input.
    pub fn hearth_given(&self, args: &[&str], input: &[u8]) -> Answer {
        let mut command = self.plain(&[]);
        command.arg("--json").args(args);
        answer(command, input)
    }

    /// Starts `hearth run` and waits until it serves. The first start lets the system pick the ports, later ones
    /// take the same again.
    pub fn start(&self) -> Node {
        self.start_as(self.program)
    }

    /// The same, with another program in the same home.
    ///
    /// # Panics
    ///
    /// When the node ends before it is ready, or is not ready in time.
    pub fn start_as(&self, program: &Program) -> Node {
        let fresh = || {
            let host = self.host.unwrap_or_else(own_host);
            vec![format!("/ip4/{host}/tcp/0"), format!("/ip4/{host}/udp/0/quic-v1")]
        };
        let mut command = program.command(&self.beside);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("--home").arg(&self.folder);
        command.args(["--json", "run", "--api", "127.0.0.1:0"]);
        for address in self.listen.get().cloned().unwrap_or_else(fresh) {
            command.args(["--listen", &address]);
        }
        let node = Node::spawn(self, &mut command);
        self.listen.get_or_init(|| node.ports());
        node
    }

    /// The number of a start, for the names of its outputs.
    fn next_start(&self) -> u32 {
        self.starts.fetch_add(1, Ordering::Relaxed)
    }
}

/// A host on loopback for one home alone, where the system has that many: else what a stopped node listened on may be
/// taken for a connection of somebody else's before it starts again.
fn own_host() -> Ipv4Addr {
    static HOSTS: AtomicU32 = AtomicU32::new(0);
    if !cfg!(target_os = "linux") {
        return Ipv4Addr::LOCALHOST;
    }
    // Those of one process begin at its number, and few processes run at once.
    let number = (process::id() << 8).wrapping_add(HOSTS.fetch_add(1, Ordering::Relaxed));
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + number % 0x00ef_0000)
}

/// A running `hearth run`.
#[derive(Debug)]
pub struct Node {
    name: String,
    home: PathBuf,
    child: Child,
    output: PathBuf,
    errors: PathBuf,
    ready: Value,
}

impl Node {
    fn spawn(home: &Home, command: &mut Command) -> Node {
        let start = home.next_start();
        let output = home.beside.join(format!("run-{start}.out"));
        let errors = home.beside.join(format!("run-{start}.err"));
        let file = |path| File::create(path).expect("a file can be made in the test's own folder");
        command.stdin(Stdio::null()).stdout(file(&output)).stderr(file(&errors));
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let mut node =
            Node { name: home.name.clone(), home: home.folder.clone(), child, output, errors, ready: Value::Null };
        node.ready = wait::until(&format!("{}'s node is ready", node.name), wait::SOON, || node.look_for_ready());
        node
    }

    fn look_for_ready(&mut self) -> Result<Value, String> {
        let end = self.child.try_wait().expect("the child is ours");
        let said = self.said();
        if let Some(status) = end {
            panic!("{}'s node ended with {status}: {said}", self.name);
        }
        said.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|line| line["ready"] == true)
            .ok_or(said)
    }

    /// What the node printed once it served: `{"ready":true,"api","listen","peer"}`.
    #[must_use]
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// The node's home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The addresses it listens on, without the `/p2p/` end.
    fn ports(&self) -> Vec<String> {
        let listen = self.ready["listen"].as_array();
        let listen = listen.unwrap_or_else(|| panic!("no addresses in what {} printed", self.name));
        listen
            .iter()
            .filter_map(Value::as_str)
            .map(|address| address.split("/p2p/").next().unwrap_or(address).to_owned())
            .collect()
    }

    /// Everything it has printed so far, on both outputs.
    #[must_use]
    pub fn said(&self) -> String {
        let read = |path| {
            let bytes = fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        read(&self.output) + &read(&self.errors)
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.end();
    }

    /// SIGTERM; gives how it ended.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    pub fn stop(mut self) -> ExitStatus {
        signal("TERM", self.child.id());
        let what = format!("{}'s node has stopped", self.name);
        wait::until(&what, STOP_LIMIT, || {
            let end = self.child.try_wait().expect("the child is ours");
            end.ok_or_else(|| self.said())
        })
    }

    fn end(&mut self) {
        // Both fail only where the child has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- {}'s node said:\n{}", self.name, last(&self.said()));
        }
        self.end();
    }
}

/// Sends a signal by name. The shell's own `kill` is on every machine, and needs no `unsafe`.
fn signal(name: &str, id: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().expect("there is a shell");
    assert!(status.success(), "cannot send {name} to {id}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    /// Succeeds where there is such a process.
    fn kill_0(id: u32) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("kill -0 {id}")]);
        command
    }

    fn stand_in(world: &World) -> Home {
        let program = Box::leak(Box::new(Program::at(&crate::shared::fixture("node.sh"))));
        Home::new("alice", world.folder(), program)
    }

    #[test]
    fn a_node_is_ready_then_stopped_and_takes_the_same_ports_again() {
        let world = World::new("harness");
        let alice = stand_in(&world);
        let first = alice.start();
        assert_eq!(first.ready()["peer"], "peer");
        wait::until("it has said all", wait::SOON, || {
            let said = first.said();
            let picked = said.contains("/tcp/0 --listen /ip4/127.") && said.contains("/udp/0/quic-v1");
            if picked { Ok(()) } else { Err(said) }
        });
        assert_eq!(first.stop().code(), Some(0));
        let second = alice.start();
        wait::until("it has said all", wait::SOON, || {
            let said = second.said();
            if said.ends_with("--listen /ip4/127.0.0.1/tcp/7\n") { Ok(()) } else { Err(said) }
        });
        let id = second.id();
        second.kill();
        let gone = answer(kill_0(id), b"");
        assert_ne!(gone.code(), Some(0), "it is still there");
    }

    #[test]
    #[should_panic(expected = "error: told to")]
    fn a_node_that_ends_before_it_is_ready_fails_the_test_with_what_it_said() {
        let world = World::new("harness");
        let alice = stand_in(&world);
        let mut command = alice.plain(&["--fail"]);
        let _ = Node::spawn(&alice, command.args(["run"]));
    }
}
