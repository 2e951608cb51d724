//! Places that are far from each other: namespaces of the network on this machine, and the wire between them, which
//! delays, loses and cuts.
//!
//! Leaves to others: what runs there. Always true: packets go between these places and nowhere else; what was made for a
//! test goes with it. It needs Linux, its administrator and `/dev/net/tun`; a test without them is skipped, and says so.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tun_rs::{DeviceBuilder, InterruptEvent, SyncDevice};

use crate::seed::Seed;
use crate::shared;

/// What the places have addresses of.
const SUBNET: [u8; 2] = [10, 91];
/// Longest packet.
const PACKET_BYTES: u16 = 1400;
/// Packets that may be under way; the one beyond is lost, as in any router.
const UNDER_WAY: usize = 20_000;

/// How packets fare.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// How long a packet is on its way.
    pub delay: Duration,
    /// How many of a hundred are lost.
    pub lost: usize,
    /// The places before this one hear nothing of those from it on.
    pub cut: Option<usize>,
}

/// The wire between some places.
#[derive(Debug)]
pub struct Wire {
    places: Vec<Place>,
    air: Arc<Air>,
    carriers: Vec<JoinHandle<()>>,
}

/// A place on the wire.
#[derive(Debug)]
pub struct Place {
    namespace: String,
    /// Its address on the wire.
    pub host: Ipv4Addr,
}

/// What is under way.
struct Air {
    ends: Vec<SyncDevice>,
    end: InterruptEvent,
    state: Mutex<State>,
    changed: Condvar,
    bytes: AtomicU64,
}

struct State {
    weather: Weather,
    seed: Seed,
    /// The next one due first.
    under_way: BinaryHeap<Reverse<Packet>>,
    sent: u64,
    over: bool,
}

/// When it is due; its number, for those that are due at once; where it goes, and what it is.
type Packet = (Instant, u64, usize, Vec<u8>);

impl std::fmt::Debug for Air {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Air").field("places", &self.ends.len()).finish_non_exhaustive()
    }
}

impl Wire {
    /// Makes so many places. `None` where the system does not let us, which is told past the capture of the test
    /// runner.
    ///
    /// # Panics
    ///
    /// When it lets us begin and then does not let us go on.
    #[must_use]
    pub fn between(places: usize, seed: Seed) -> Option<Wire> {
        if !Path::new("/dev/net/tun").exists() {
            shared::skipped("there is no /dev/net/tun");
            return None;
        }
        let names: Vec<String> = (0..places).map(|_| fresh_name("hearth")).collect();
        if let Err(why) = ip(&format!("netns add {}\n", names[0])) {
            shared::skipped(&format!("no namespaces of the network can be made: {why}"));
            return None;
        }
        let places: Vec<Place> = (1..).zip(names).map(|(number, namespace)| Place::new(number, namespace)).collect();
        let ends = places.iter().map(Place::connect).collect();
        let state = State { weather: Weather::default(), seed, under_way: BinaryHeap::new(), sent: 0, over: false };
        let air = Arc::new(Air {
            ends,
            end: InterruptEvent::new().expect("the system has a pipe left"),
            state: Mutex::new(state),
            changed: Condvar::new(),
            bytes: AtomicU64::new(0),
        });
        let carry = |from| {
            let air = air.clone();
            thread::spawn(move || air.take_in(from))
        };
        let mut carriers: Vec<JoinHandle<()>> = (0..places.len()).map(carry).collect();
        carriers.push(thread::spawn({
            let air = air.clone();
            move || air.hand_out()
        }));
        Some(Wire { places, air, carriers })
    }

    /// The places.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Changes the weather; packets under way are as late as they were.
    pub fn set(&self, weather: Weather) {
        self.air.state().weather = weather;
    }

    /// Bytes that have arrived since the start, with the heads of packets.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.air.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.air.state().over = true;
        self.air.changed.notify_all();
        // What is left is threads of a process that is about to end.
        if self.air.end.trigger().is_ok() {
            for carrier in self.carriers.drain(..) {
                let _ = carrier.join();
            }
        }
    }
}

impl Air {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is sent at one place, until the end.
    fn take_in(&self, from: usize) {
        let mut packet = [0; PACKET_BYTES as usize];
        loop {
            match self.ends[from].recv_intr(&mut packet, &self.end) {
                Ok(length) => self.send(from, &packet[..length]),
                Err(why) if why.kind() == ErrorKind::Interrupted => return,
                Err(why) => panic!("place {from} is gone: {why}"),
            }
        }
    }

    fn send(&self, from: usize, packet: &[u8]) {
        // IPv4 only: the last number of where it goes is that of the place.
        let to = match packet {
            [0x40..=0x4f, ..] if packet.len() >= 20 => usize::from(packet[19]).checked_sub(1),
            _ => None,
        };
        let Some(to) = to.filter(|to| *to < self.ends.len()) else { return };
        let mut state = self.state();
        let weather = state.weather;
        let cut = weather.cut.is_some_and(|cut| (from < cut) != (to < cut));
        if cut || state.seed.between(0, 100) < weather.lost || state.under_way.len() >= UNDER_WAY {
            return;
        }
        state.sent += 1;
        let on_its_way = (Instant::now() + weather.delay, state.sent, to, packet.to_vec());
        state.under_way.push(Reverse(on_its_way));
        self.changed.notify_one();
    }

    /// Hands out what is due, until the end.
    fn hand_out(&self) {
        let mut state = self.state();
        while !state.over {
            let now = Instant::now();
            let next = state.under_way.peek().map(|Reverse((due, ..))| *due);
            match next {
                Some(due) if due <= now => {
                    let Some(Reverse((_, _, to, packet))) = state.under_way.pop() else { continue };
                    drop(state);
                    // A place that takes no packet loses it.
                    if self.ends[to].send(&packet).is_ok() {
                        self.bytes.fetch_add(packet.len() as u64, Ordering::Relaxed);
                    }
                    state = self.state();
                }
                next => {
                    let rest = next.map_or(Duration::from_secs(1), |due| due - now);
                    let waited = self.changed.wait_timeout(state, rest);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}

impl Place {
    fn new(number: u8, namespace: String) -> Place {
        if number > 1 {
            ip(&format!("netns add {namespace}\n")).expect("the first one could be made");
        }
        Place { namespace, host: Ipv4Addr::new(SUBNET[0], SUBNET[1], 0, number) }
    }

    /// Its end of the wire, which stays with us while the system takes it for its own.
    fn connect(&self) -> SyncDevice {
        let name = fresh_name("hw");
        let device = DeviceBuilder::new().name(&name).mtu(PACKET_BYTES).build_sync();
        let device = device.unwrap_or_else(|why| panic!("no end of a wire can be made: {why}"));
        device.set_nonblocking(true).expect("it is open");
        let Place { namespace, host } = self;
        ip(&format!(
            "link set {name} netns {namespace}\n\
             -n {namespace} link set lo up\n\
             -n {namespace} addr add {host}/24 dev {name}\n\
             -n {namespace} link set {name} up\n"
        ))
        .expect("what was just made can be changed");
        device
    }

    /// Does something there: what it opens and starts is there too.
    ///
    /// # Panics
    ///
    /// When `act` does.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let done = thread::scope(|scope| {
            let acting = scope.spawn(|| {
                let space = File::open(format!("/run/netns/{}", self.namespace)).expect("it is there while we are");
                move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).expect("it is one");
                act()
            });
            acting.join()
        });
        done.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What runs there has been stopped by whoever started it.
        let _ = ip(&format!("netns del {}\n", self.namespace));
    }
}

/// A name that nobody else has: devices and namespaces are the whole machine's.
fn fresh_name(what: &str) -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    // Names of devices have fifteen letters at most.
    format!("{what}{}x{}", process::id() % 1_000_000, LAST.fetch_add(1, Ordering::Relaxed))
}

/// Gives `ip` some lines of its own.
fn ip(lines: &str) -> Result<(), String> {
    for line in lines.lines() {
        let command = Command::new("ip").args(line.split_whitespace()).stdin(Stdio::null()).output();
        let output = command.map_err(|why| format!("ip cannot be run: {why}"))?;
        if !output.status.success() {
            return Err(format!("ip {line}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::wait;

    #[test]
    fn a_packet_is_as_late_and_as_often_lost_as_was_said() {
        let Some(wire) = Wire::between(2, Seed::take("a wire")) else { return };
        let [here, there] = wire.places() else { panic!("two were asked for") };
        let open = |place: &Place| {
            let socket = place.within(|| UdpSocket::bind((place.host, 0)).expect("a socket"));
            socket.set_read_timeout(Some(Duration::from_millis(400))).expect("a limit");
            socket
        };
        let (near, far) = (open(here), open(there));
        let to = far.local_addr().expect("it is bound");
        let arrives = || {
            let begun = Instant::now();
            near.send_to(b"x", to).expect("sent");
            far.recv(&mut [0; 8]).ok().map(|_| begun.elapsed())
        };
        wire.set(Weather { delay: Duration::from_millis(50), ..Weather::default() });
        let late = arrives().expect("none is lost");
        assert!(late >= Duration::from_millis(50), "{late:?}");
        wire.set(Weather { cut: Some(1), ..Weather::default() });
        assert_eq!(arrives(), None, "nothing passes a cut");

        wire.set(Weather { lost: 30, ..Weather::default() });
        let before = wire.bytes();
        for _ in 0..200 {
            near.send_to(b"x", to).expect("sent");
        }
        // What was sent before the first of these that arrives has arrived before it, or was lost.
        let (mut arrived, mut last) = (0, 0);
        wait::until("the last one has arrived", wait::SOON, || {
            near.send_to(b"last", to).expect("sent");
            while let Ok(length) = far.recv(&mut [0; 8]) {
                *(if length == 1 { &mut arrived } else { &mut last }) += 1;
            }
            if last > 0 { Ok(()) } else { Err(format!("{arrived} before")) }
        });
        assert!((110..170).contains(&arrived), "{arrived} of 200 arrived, and 30 of a hundred were to be lost");
        assert_eq!(wire.bytes() - before, arrived * 29 + last * 32, "each has a head of 28 bytes");
    }
}
