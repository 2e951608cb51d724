//! What a person can do about a refusal, by its name.
//!
//! Leaves to others: what was refused and why. Always true: a hint can be typed, or says whom to
//! ask.

use hearth_protocol::{engine::CommandRefusal, link::RelayRefusal};

/// What can be done where a command was refused.
pub(super) fn command_refused(refusal: &CommandRefusal) -> &'static str {
    match refusal {
        CommandRefusal::NoCommunity => "`hearth community list` names your communities",
        CommandRefusal::NoItem => "`hearth list` shows what is kept here, and `hearth sync` brings what is missing",
        CommandRefusal::NoPerson => "`hearth member list C` names the members",
        CommandRefusal::NotFound => "`hearth invite list C` and `hearth link list C` show them",
        CommandRefusal::RoleTooLow { .. } | CommandRefusal::Write(_) => {
            "ask a steward for it: `hearth member list C` shows who they are"
        }
        CommandRefusal::Operation(_) => {
            "`hearth member log C` shows what was decided; `hearth sync` brings what is missing"
        }
        CommandRefusal::Inert => "to put it before those who can, type it again with --propose",
        CommandRefusal::Relay(refused) => relay_refused(refused.why),
        CommandRefusal::Field(_) => "type it again within that bound; `hearth limits` lists them all",
        CommandRefusal::Unsound(_) => "make it smaller; `hearth limits` lists the bounds",
        CommandRefusal::NotAuthor => "reply to it instead: hearth reply ID TEXT",
        CommandRefusal::TooManyCommunities => "leave one first: hearth community leave C",
        CommandRefusal::DaySpent => {
            "write it tomorrow (UTC), or ask a steward for more: `hearth community set C posts_day N`"
        }
        CommandRefusal::AlreadyMember => "see what is new there: `hearth list`",
        CommandRefusal::InviteExpired => "ask whoever invited you for a new key",
        CommandRefusal::InviteTooEarly => "look at the clock of this device",
        CommandRefusal::NoAddress => {
            "start the node, so that it has an address, and make the invite again: `hearth run`"
        }
        CommandRefusal::OwnSpace => {
            "found a community to share with others: hearth community create NAME --domain TEXT"
        }
        CommandRefusal::NoIdentityKey => {
            "the first device that you made has it; so has one that was made from the words"
        }
        CommandRefusal::NoDevice => "look for it with `hearth device list`",
        CommandRefusal::OwnDevice => "if it is not in your hands any more: hearth device revoke ID",
        CommandRefusal::NotOnDesk => "`hearth queue` and `hearth select list` show what is",
        CommandRefusal::EditedSince => "`hearth queue` shows it as it is now: decide again",
        CommandRefusal::NotBanned => "`hearth peer list` shows who is",
    }
}

pub(super) fn relay_refused(why: RelayRefusal) -> &'static str {
    match why {
        RelayRefusal::BeyondReach => "ask its author to write it again with a wider reach: `--reach 1`",
        RelayRefusal::BeyondHops => "carry it from the community in which it was written",
        RelayRefusal::NoOutLink | RelayRefusal::NoInLink => {
            "a steward of each side makes a link: `hearth link create C --out OTHER --broker PERSON` here, `--in` there"
        }
        RelayRefusal::BrokerNotNamed => "ask its stewards to name you in the link: `hearth link list C` shows it",
        RelayRefusal::KindNotLinked | RelayRefusal::TagNotLinked | RelayRefusal::OtherDestination => {
            "`hearth link list C` shows what the link lets through"
        }
        RelayRefusal::AuthorNotConfirmed => "ask a steward to confirm the author: hearth member set C PERSON member",
        RelayRefusal::LinkOver => "ask a steward for a new link: `hearth link list C` shows the old one",
        RelayRefusal::BrokerNoMember => "ask a steward there for the role member: `hearth member list C`",
        RelayRefusal::OnItsPath => "it is there already: hearth trace ID",
        RelayRefusal::OverQuota => "try again tomorrow, or ask a steward for a wider link",
        RelayRefusal::Retracted | RelayRefusal::AuthorLeft | RelayRefusal::Recalled => "leave it where it is",
        RelayRefusal::Declined => "ask the steward who declined it: `hearth trace ID` shows the reason",
        RelayRefusal::NotAReply => "carry a reply to something of the other side instead",
        RelayRefusal::ItemUnproven | RelayRefusal::OtherOrigin | RelayRefusal::BadProof | RelayRefusal::AfterCut => {
            "let the node catch up, then try again: `hearth sync`"
        }
    }
}

/// What a member's no to a join means, and what can be done about it.
pub(super) fn join_refused(name: &str) -> (String, &'static str) {
    let (error, hint) = match name {
        "invite_expired" => ("the invite expired", "ask whoever invited you for a new key"),
        "invite_too_early" => ("the invite is not valid yet", "look at the clock of this device"),
        "invite_used_up" => ("the invite is used up", "ask whoever invited you for a new key"),
        "invite_ended" => ("the invite was ended", "ask whoever invited you for a new key"),
        "invite_void" => ("the invite has no effect in that community any more", "ask another member for a key"),
        "invite_for_another_admitter" => {
            ("the invite names another member who lets people in", "try again when that member's node runs")
        }
        "inviter_lost_role" => ("whoever invited you may not invite there any more", "ask another member for a key"),
        "busy" => (
            "the member's node has let in as many as it may in one day",
            "try again tomorrow, or when another member's node runs",
        ),
        other => return (format!("a member refused the join: {other}"), "ask whoever invited you"),
    };
    (error.to_owned(), hint)
}
