//! The grammar of the command line: the verbs, what goes for all of them, and the small values they take.
//!
//! What a verb takes is declared beside the verb, in `commands`. Always true: a value that this module lets through
//! has the right shape; whether it means anything is for the node to say.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::commands::{
    bookmark, charter, community, demo, device, edit, endorse, import, init, invite, join, label, limits, link, list,
    member, passphrase, peer, post, profile, queue, recall, relay, reply, retract, run, select, show, status, sync,
    trace, words,
};

/// A personal node for communities of practice: keep posts and bookmarks, join by an invite key, relay what matters.
#[derive(Debug, Parser)]
#[command(name = "hearth", bin_name = "hearth", version, max_term_width = 100)]
pub(crate) struct Args {
    /// What goes for every verb.
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
    /// The verb; without one the help is printed.
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

/// What goes for every verb.
#[derive(Debug, clap::Args)]
pub(crate) struct Everywhere {
    /// The home folder [default: the platform's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "HEARTH_HOME", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// A file that holds the passphrase of the home, where it is not to be asked for
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "HEARTH_PASSPHRASE_FILE",
        hide_env_values = true,
        value_parser = passphrase_file()
    )]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Print for scripts: one JSON object, or one a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Everything that can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a home: an identity, a device and your own space `mine`
    Init(init::Init),
    /// Show the 24 recovery words, until you have written them down
    Words(words::Words),
    /// Seal the keys of this home with a passphrase, or take it off
    #[command(subcommand)]
    Passphrase(passphrase::Passphrase),
    /// Run the node until it is stopped
    Run(run::Run),
    /// Show it all on this machine: four people, two communities, a broker
    Demo(demo::Demo),
    /// Who you are, what runs and what is kept
    Status(status::Status),
    /// Found communities, list them, look at them, set their policy, leave them
    #[command(subcommand)]
    Community(community::Community),
    /// What a community is about
    #[command(subcommand)]
    Charter(charter::Charter),
    /// What a community knows of you
    #[command(subcommand)]
    Profile(profile::Profile),
    /// Invite people with a key that they paste
    #[command(subcommand)]
    Invite(invite::Invite),
    /// Join a community by an invite key
    Join(join::Join),
    /// Members and their roles
    #[command(subcommand)]
    Member(member::Member),
    /// Write a post
    Post(post::Post),
    /// Keep an address
    Bookmark(bookmark::Bookmark),
    /// Reply to an item, where that item is
    Reply(reply::Reply),
    /// Give an item of yours a new body
    Edit(edit::Edit),
    /// Take an item of yours back, for ever
    Retract(retract::Retract),
    /// Recommend an item to those who read it, with a reason
    Endorse(endorse::Endorse),
    /// As a steward, hide an item from all members, or show it again
    Label(label::Label),
    /// As a steward, call an item back from where brokers have carried it
    Recall(recall::Recall),
    /// Show an item with its replies
    Show(show::Show),
    /// The way an item came
    Trace(trace::Trace),
    /// List items, newest first
    List(list::List),
    /// Import bookmarks from a file
    Import(import::Import),
    /// Let brokers carry items between two communities
    #[command(subcommand)]
    Link(link::Link),
    /// Carry an item over a link, with a note on why it matters there
    Relay(relay::Relay),
    /// What you always want to see of one community, for another
    #[command(subcommand)]
    Select(select::Select),
    /// What waits for your word: candidates of your selections, and what you have sent
    Queue(queue::Queue),
    /// Connections to other nodes
    #[command(subcommand)]
    Peer(peer::Peer),
    /// Your devices: list them, add one, revoke those that are gone
    #[command(subcommand)]
    Device(device::Device),
    /// Catch up with everyone who can be reached
    Sync(sync::Sync),
    /// Every bound, with its reason
    Limits(limits::Limits),
}

/// The roles, strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// reads, asks, replies
    Peripheral,
    /// posts, and lets newcomers in
    Member,
    /// invites
    Core,
    /// decides about roles, links and the charter
    Steward,
}

impl Role {
    /// As the API names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Peripheral => "peripheral",
            Self::Member => "member",
            Self::Core => "core",
            Self::Steward => "steward",
        }
    }
}

/// Borders that an item may cross, at most: the format has no more.
pub(crate) const REACH: RangeInclusive<i64> = 0..=3;

/// Why a piece of text is no duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    /// No number and unit.
    #[error("a duration is a whole number and one of s, m, h, d, like 30s, 5m, 12h or 7d")]
    Shape,
    /// More than can be counted.
    #[error("that is longer than can be counted in milliseconds")]
    TooLong,
}

/// A duration as people type it: a whole number and `s`, `m`, `h` or `d`.
pub(crate) fn duration(typed: &str) -> Result<Duration, DurationError> {
    let seconds_each = match typed.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 60 * 60,
        Some('d') => 24 * 60 * 60,
        _ => return Err(DurationError::Shape),
    };
    let digits = &typed[..typed.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::Shape);
    }
    let count: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
    let seconds = count
        .checked_mul(seconds_each)
        .filter(|seconds| seconds.checked_mul(1_000).is_some())
        .ok_or(DurationError::TooLong)?;
    Ok(Duration::from_secs(seconds))
}

/// A moment in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long ago.
    Ago(Duration),
    /// Then, in milliseconds since 1970.
    At(u64),
}

impl Since {
    /// In milliseconds since 1970.
    pub(crate) fn ms(self, now_ms: u64) -> u64 {
        match self {
            Self::Ago(duration) => now_ms.saturating_sub(milliseconds(duration)),
            Self::At(ms) => ms,
        }
    }
}

/// A moment as people type it: how long ago, or when, in UTC unless it says otherwise.
pub(crate) fn since(typed: &str) -> Result<Since, &'static str> {
    const WRONG: &str =
        "say how long ago, like 2d, or when, like 2026-11-01, 2026-11-01T10:00 (UTC) or 2026-11-01T10:00+02:00";
    if let Ok(duration) = duration(typed) {
        return Ok(Since::Ago(duration));
    }
    // As this program prints it.
    let typed = typed.trim().trim_end_matches(" UTC");
    let in_utc = || typed.parse::<DateTime>().and_then(|date| date.to_zoned(TimeZone::UTC)).map(|at| at.timestamp());
    let at = typed.parse::<Timestamp>().or_else(|_| in_utc()).map_err(|_| WRONG)?;
    u64::try_from(at.as_millisecond()).map(Since::At).map_err(|_| "that is before 1970")
}

/// A duration in the API's milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Text that is there: an empty name, id or address is typed wrong.
pub(crate) fn filled(typed: &str) -> Result<String, &'static str> {
    if typed.trim().is_empty() {
        return Err("it is empty");
    }
    Ok(typed.to_owned())
}

/// A tag of one side, and what the other side says for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    from: String,
    to: String,
}

impl Mapping {
    /// As the API takes it.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "from": self.from, "to": self.to })
    }
}

/// `TAG=THEIRS`.
pub(crate) fn mapping(typed: &str) -> Result<Mapping, &'static str> {
    const WRONG: &str = "say it as TAG=THEIRS: a tag of this side, and the other side's tag for it";
    let (from, to) = typed.split_once('=').ok_or(WRONG)?;
    let (from, to) = (from.trim().to_owned(), to.trim().to_owned());
    if from.is_empty() || to.is_empty() { Err(WRONG) } else { Ok(Mapping { from, to }) }
}

/// A file that holds a passphrase. Not standard input: that carries texts and invite keys.
pub(crate) fn passphrase_file() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|typed| {
        if typed.is_empty() {
            return Err("it is empty");
        }
        if typed == "-" {
            return Err("a passphrase is not read from standard input: name a file, or leave it out to be asked");
        }
        Ok(PathBuf::from(typed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Verb {
        Args::try_parse_from([&["hearth"], line].concat())
            .expect("the test types a correct line")
            .verb
            .expect("the test types a verb")
    }

    fn kind_of_refusal(line: &[&str]) -> clap::error::ErrorKind {
        Args::try_parse_from([&["hearth"], line].concat()).expect_err("the test types a wrong line").kind()
    }

    #[test]
    fn the_grammar_is_sound() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("12h"), Ok(Duration::from_secs(43_200)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for wrong in ["", "7", "d", "7w", "-7d", "+7d", "7 d", "1.5h", "7dd", "７d", "7é", "7D"] {
            assert_eq!(duration(wrong), Err(DurationError::Shape), "{wrong:?}");
        }
    }

    #[test]
    fn a_duration_never_overflows_the_milliseconds() {
        let most = u64::MAX / 1_000;
        assert_eq!(duration(&format!("{most}s")), Ok(Duration::from_secs(most)));
        assert_eq!(duration(&format!("{}s", most + 1)), Err(DurationError::TooLong));
        assert_eq!(duration(&format!("{most}d")), Err(DurationError::TooLong));
        assert_eq!(duration("99999999999999999999999s"), Err(DurationError::TooLong));
        assert_eq!(milliseconds(Duration::from_secs(most)), most * 1_000);
    }

    #[test]
    fn a_mapping_has_a_tag_on_each_side() {
        let pair = |from: &str, to: &str| Ok(Mapping { from: from.to_owned(), to: to.to_owned() });
        assert_eq!(mapping("rust/async=concurrency"), pair("rust/async", "concurrency"));
        assert_eq!(mapping(" c = a=b "), pair("c", "a=b"));
        for wrong in ["", "rust", "=x", "rust=", " = "] {
            assert!(mapping(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_moment_is_so_long_ago_or_a_time_in_utc() {
        assert_eq!(since("2d"), Ok(Since::Ago(Duration::from_secs(172_800))));
        let first = 1_793_491_200_000;
        for typed in ["2026-11-01", "2026-11-01T00:00", "2026-11-01 00:00 UTC", "2026-11-01T02:00:00+02:00"] {
            assert_eq!(since(typed), Ok(Since::At(first)), "{typed}");
        }
        assert_eq!(since("2026-11-01T10:30:00Z"), Ok(Since::At(first + 37_800_000)));
        for wrong in ["", "yesterday", "2", "2026-13-01", "1969-12-31", "10:00"] {
            assert!(since(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(Since::Ago(Duration::from_secs(60)).ms(100_000), 40_000);
        assert_eq!(Since::Ago(Duration::from_secs(60)).ms(1), 0);
    }

    #[test]
    fn a_bad_duration_is_typed_wrong() {
        let kind = kind_of_refusal(&["invite", "create", "garden", "--expires", "soon"]);
        assert_eq!(kind, clap::error::ErrorKind::ValueValidation);
    }

    #[test]
    fn an_invite_is_for_one_member_and_seven_days() {
        let Verb::Invite(invite::Invite::Create(create)) = parsed(&["invite", "create", "garden"]) else {
            panic!("another verb was parsed");
        };
        assert_eq!(create.role, Role::Member);
        assert_eq!(create.uses, 1);
        assert_eq!(create.expires, Duration::from_secs(7 * 86_400));
        assert_eq!(create.only, None);
    }

    #[test]
    fn a_link_carries_everything_twenty_a_day_for_ninety_days() {
        let line = ["link", "create", "garden", "--out", "library", "--broker", "ferry"];
        let Verb::Link(link::Link::Create(create)) = parsed(&line) else {
            panic!("another verb was parsed");
        };
        assert_eq!(create.per_day, 20);
        assert_eq!(create.expires, Duration::from_secs(90 * 86_400));
        assert_eq!(create.min_role, Role::Member);
        assert!(create.kinds.is_empty() && create.tags.is_empty());
        assert!(!create.quarantine && !create.replies_only);
    }

    #[test]
    fn a_link_goes_one_way_and_names_a_broker() {
        use clap::error::ErrorKind;
        let neither = ["link", "create", "garden", "--broker", "ferry"];
        assert_eq!(kind_of_refusal(&neither), ErrorKind::MissingRequiredArgument);
        let both = ["link", "create", "garden", "--out", "a", "--in", "b", "--broker", "ferry"];
        assert_eq!(kind_of_refusal(&both), ErrorKind::ArgumentConflict);
        let nobody = ["link", "create", "garden", "--out", "library"];
        assert_eq!(kind_of_refusal(&nobody), ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn a_link_takes_several_brokers_kinds_and_tags() {
        let line = [
            "link",
            "create",
            "library",
            "--in",
            "garden",
            "--broker",
            "ferry",
            "bob",
            "--kinds",
            "post,bookmark",
            "--tags",
            "rust",
            "--tags",
            "tea",
        ];
        let Verb::Link(link::Link::Create(create)) = parsed(&line) else {
            panic!("another verb was parsed");
        };
        assert_eq!(create.brokers, ["ferry", "bob"]);
        assert_eq!(create.kinds, ["post", "bookmark"]);
        assert_eq!(create.tags, ["rust", "tea"]);
    }

    #[test]
    fn a_list_has_fifty_items() {
        let Verb::List(list) = parsed(&["list"]) else {
            panic!("another verb was parsed");
        };
        assert_eq!(list.limit, 50);
        assert_eq!((list.within, list.kind, list.by, list.tag), (None, None, None, None));
    }

    #[test]
    fn a_join_waits_thirty_seconds() {
        let Verb::Join(join) = parsed(&["join", "-"]) else {
            panic!("another verb was parsed");
        };
        assert_eq!(join.wait, Duration::from_secs(30));
        assert_eq!(join.key.as_deref(), Some("-"));
    }

    #[test]
    fn a_join_takes_a_key_or_is_cancelled() {
        let kind = kind_of_refusal(&["join", "KEY", "--cancel", "garden"]);
        assert_eq!(kind, clap::error::ErrorKind::ArgumentConflict);
    }

    #[test]
    fn reach_ends_at_three() {
        let Verb::Post(post) = parsed(&["post", "hello", "--reach", "3"]) else {
            panic!("another verb was parsed");
        };
        assert_eq!(post.place.reach, Some(3));
        let kind = kind_of_refusal(&["post", "hello", "--reach", "4"]);
        assert_eq!(kind, clap::error::ErrorKind::ValueValidation);
    }

    #[test]
    fn to_before_the_text_does_not_swallow_it() {
        let line = ["post", "--to", "garden", "--to", "library", "-t", "tea", "hello"];
        let Verb::Post(post) = parsed(&line) else {
            panic!("another verb was parsed");
        };
        assert_eq!(post.place.to, ["garden", "library"]);
        assert_eq!(post.place.tags, ["tea"]);
        assert_eq!(post.text.as_deref(), Some("hello"));
    }

    #[test]
    fn a_passphrase_comes_from_a_file_and_never_from_an_argument_or_standard_input() {
        use clap::error::ErrorKind;
        let args = Args::try_parse_from(["hearth", "list", "--passphrase-file", "/run/secret"])
            .expect("the test types a correct line");
        assert_eq!(args.everywhere.passphrase_file, Some(PathBuf::from("/run/secret")));
        for line in [["list", "--passphrase-file", "-"], ["list", "--passphrase-file", ""]] {
            assert_eq!(kind_of_refusal(&line), ErrorKind::ValueValidation);
        }
        assert_eq!(kind_of_refusal(&["passphrase", "set", "nine beans"]), ErrorKind::UnknownArgument);
        assert_eq!(kind_of_refusal(&["init", "--words", "abandon"]), ErrorKind::ValueValidation);
        assert_eq!(kind_of_refusal(&["init", "--passphrase=beans"]), ErrorKind::TooManyValues);
    }

    #[test]
    fn words_are_asked_for_or_piped_in_and_a_rung_goes_with_them() {
        use clap::error::ErrorKind;
        for (line, words, rung) in [
            (&["init"][..], None, 0),
            (&["init", "--words"], Some(init::Words::Asked), 0),
            (&["init", "--words", "-", "--rung", "2"], Some(init::Words::Piped), 2),
            (&["init", "--words", "--rung", "7"], Some(init::Words::Asked), 7),
        ] {
            let Verb::Init(init) = parsed(line) else {
                panic!("another verb was parsed");
            };
            assert_eq!((init.words, init.rung), (words, rung), "{line:?}");
        }
        assert_eq!(kind_of_refusal(&["init", "--rung", "1"]), ErrorKind::MissingRequiredArgument);
        assert_eq!(kind_of_refusal(&["init", "--words", "-", "--rung", "8"]), ErrorKind::ValueValidation);
    }

    #[test]
    fn json_and_home_may_stand_after_the_verb() {
        let args = Args::try_parse_from(["hearth", "peer", "list", "--json", "--home", "/h"])
            .expect("the test types a correct line");
        assert!(args.everywhere.json);
        assert_eq!(args.everywhere.home, Some(PathBuf::from("/h")));
    }

    #[test]
    fn empty_names_are_typed_wrong() {
        use clap::error::ErrorKind::ValueValidation;
        assert_eq!(kind_of_refusal(&["community", "leave", " "]), ValueValidation);
        assert_eq!(kind_of_refusal(&["show", ""]), ValueValidation);
        assert_eq!(kind_of_refusal(&["post", "hello", "--to", ""]), ValueValidation);
    }
}
