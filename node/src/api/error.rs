//! What the API says when it says no: a status, and `{"error", "reason", "hint"}`.
//!
//! The reason is the refusal's own name. The status decides how a command ends: 400 is something
//! typed wrong, 403 a policy's no, everything else could not be done. Leaves to others: deciding.
//! Always true: no error shows what is inside the node, and each says what can be typed next.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use hearth_protocol::{
    engine::CommandRefusal, invite::InviteKeyRefusal, item::DraftRefusal, text::TextRefusal, url::AddressRefusal,
};
use serde_json::json;

use super::hints;
use crate::{
    handle::Failure,
    home::HomeError,
    network::AddressError,
    practice::import::{ImportError, UnknownFormat},
    store::ReadError,
};

/// The longest name of a refusal that a peer has sent and that is shown.
const PEER_NAME_BYTES: usize = 64;

/// A no.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) error: String,
    pub(super) reason: Cow<'static, str>,
    pub(super) hint: String,
}

/// What a handler answers with.
pub(super) type Answered<T> = Result<T, ApiError>;

impl ApiError {
    pub(super) fn new(
        status: StatusCode,
        reason: &'static str,
        error: impl Into<String>,
        hint: impl Into<String>,
    ) -> ApiError {
        ApiError { status, error: error.into(), reason: Cow::Borrowed(reason), hint: hint.into() }
    }

    /// Typed wrong.
    pub(super) fn typed(reason: &'static str, error: impl Into<String>, hint: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, reason, error, hint)
    }

    /// Asked for by an id that nothing has.
    pub(super) fn missing(reason: &'static str, error: impl Into<String>, hint: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, reason, error, hint)
    }

    /// Understood, but the way things stand it cannot be done.
    pub(super) fn conflict(reason: &'static str, error: impl Into<String>, hint: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::CONFLICT, reason, error, hint)
    }

    /// Nobody answered in time.
    pub(super) fn late(reason: &'static str, error: impl Into<String>, hint: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, reason, error, hint)
    }

    /// A part of this node failed.
    pub(super) fn broken() -> ApiError {
        let error = "the node could not answer: a part of it failed";
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            error,
            "look into its logs, and start it again: `hearth run`",
        )
    }

    pub(super) fn stopping() -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the node is stopping", "type it again in a moment")
    }

    /// A member of another node said no, by this name.
    pub(super) fn refused_by_member(name: &str) -> ApiError {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let known = !name.is_empty() && name.len() <= PEER_NAME_BYTES && name.bytes().all(plain);
        let reason = if known { name.to_owned() } else { "refused".to_owned() };
        let (error, hint) = hints::join_refused(&reason);
        ApiError { status: StatusCode::FORBIDDEN, error, hint: hint.to_owned(), reason: Cow::Owned(reason) }
    }

    /// A text field is not acceptable.
    pub(super) fn field(field: &str, why: &TextRefusal) -> ApiError {
        let (reason, error, hint) = match why {
            TextRefusal::TooLong { most, found } => (
                "too_long",
                format!("the {field} is {found} bytes long; at most {most} are allowed"),
                "shorten it, or split it".to_owned(),
            ),
            TextRefusal::Control { .. } => {
                ("control_character", format!("the {field} {why}"), "take the character out".to_owned())
            }
            TextRefusal::Empty => ("empty", format!("the {field} is empty"), format!("give a {field}")),
        };
        ApiError::typed(reason, error, hint)
    }

    /// The same with another hint.
    pub(super) fn hinting(mut self, hint: impl Into<String>) -> ApiError {
        self.hint = hint.into();
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.error, "reason": self.reason, "hint": self.hint }));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> ApiError {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::DiskFull(why) => ApiError::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                why,
                "free some space on that disk; nothing was lost",
            ),
            Failure::Store(why) => ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "store_unusable",
                why,
                "look at the disk, then start the node again: `hearth run`",
            ),
            Failure::Stopping => ApiError::stopping(),
        }
    }
}

impl From<CommandRefusal> for ApiError {
    fn from(refusal: CommandRefusal) -> ApiError {
        let status = match &refusal {
            _ if refusal.is_policy() => StatusCode::FORBIDDEN,
            CommandRefusal::NoCommunity
            | CommandRefusal::NoItem
            | CommandRefusal::NoPerson
            | CommandRefusal::NoDevice
            | CommandRefusal::NotBanned
            | CommandRefusal::NotOnDesk
            | CommandRefusal::NotFound => StatusCode::NOT_FOUND,
            CommandRefusal::TooManyCommunities
            | CommandRefusal::EditedSince
            | CommandRefusal::AlreadyMember
            | CommandRefusal::NoAddress
            | CommandRefusal::OwnDevice
            | CommandRefusal::NoIdentityKey => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        ApiError::new(status, refusal.name(), refusal.to_string(), hints::command_refused(&refusal))
    }
}

impl From<DraftRefusal> for ApiError {
    fn from(refusal: DraftRefusal) -> ApiError {
        match &refusal {
            DraftRefusal::Text { field, why } => ApiError::field(field, why),
            DraftRefusal::Address(why) => why.clone().into(),
            DraftRefusal::TooMany { most, field, .. } => {
                ApiError::typed(refusal.name(), refusal.to_string(), format!("give at most {most} {field}"))
            }
            DraftRefusal::Reach(_) => {
                ApiError::typed(refusal.name(), refusal.to_string(), "give a --reach from 0 to 3")
            }
        }
    }
}

impl From<AddressRefusal> for ApiError {
    fn from(refusal: AddressRefusal) -> ApiError {
        let hint = match &refusal {
            AddressRefusal::NoScheme => "type it whole, as https://example.org/page".to_owned(),
            AddressRefusal::HostNotAscii { punycode } => format!("write its host as {punycode}"),
            AddressRefusal::Credentials => "take the name and the password out of it".to_owned(),
            _ => "copy the address again; http, https, gemini, mailto and magnet are taken".to_owned(),
        };
        ApiError::typed(refusal.name(), refusal.to_string(), hint)
    }
}

impl From<InviteKeyRefusal> for ApiError {
    fn from(refusal: InviteKeyRefusal) -> ApiError {
        let hint = match &refusal {
            InviteKeyRefusal::Text(hearth_protocol::pasted::PastedRefusal::Other) => {
                "paste the whole key, from `hearth1` to its end: hearth join"
            }
            InviteKeyRefusal::OtherCommunity => "ask whoever invited you for a new key",
            _ => "ask for the key again and paste it whole: hearth join",
        };
        ApiError::typed(refusal.name(), refusal.to_string(), hint)
    }
}

impl From<ImportError> for ApiError {
    fn from(why: ImportError) -> ApiError {
        let (status, hint) = match &why {
            ImportError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "split the file and import its parts"),
            ImportError::TooMany | ImportError::TooManyTags => {
                (StatusCode::UNPROCESSABLE_ENTITY, "split the file and import its parts")
            }
            ImportError::Unrecognised { .. } | ImportError::Empty { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "export your bookmarks as an HTML file from your browser, then: hearth import bookmarks.html",
            ),
            ImportError::TooDeep { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "move the deepest folders up, and export the bookmarks again")
            }
            ImportError::Encoding { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "save the bookmarks as UTF-8, and import them again")
            }
        };
        ApiError::new(status, why.name(), why.to_string(), hint)
    }
}

impl From<UnknownFormat> for ApiError {
    fn from(why: UnknownFormat) -> ApiError {
        ApiError::typed("unknown_format", why.to_string(), "leave --format out: the format is seen from the content")
    }
}

impl From<AddressError> for ApiError {
    fn from(why: AddressError) -> ApiError {
        let hint = "an address looks like /ip4/192.0.2.7/tcp/4001/p2p/12D3Koo...; `hearth status` on the other node shows its own";
        ApiError::typed("bad_address", why.to_string(), hint)
    }
}

impl From<ReadError> for ApiError {
    fn from(why: ReadError) -> ApiError {
        let hint = "look at the disk, then start the node again: `hearth run`";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "store_unusable", why.to_string(), hint)
    }
}

impl From<HomeError> for ApiError {
    fn from(why: HomeError) -> ApiError {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, why.reason(), why.to_string(), why.hint())
    }
}

#[cfg(test)]
mod tests {
    use hearth_protocol::{
        authority::Role,
        link::{Owner, Refused, RelayRefusal},
    };

    use super::*;

    fn status(refusal: CommandRefusal) -> u16 {
        ApiError::from(Failure::Refused(refusal)).status.as_u16()
    }

    fn relay(why: RelayRefusal) -> CommandRefusal {
        CommandRefusal::Relay(Refused { why, owner: Owner::Leaving })
    }

    #[test]
    fn the_status_tells_a_policy_from_a_mistake_and_from_a_state() {
        assert_eq!(status(CommandRefusal::RoleTooLow { need: Role::Core, have: Role::Member }), 403);
        assert_eq!(status(relay(RelayRefusal::BeyondReach)), 403);
        assert_eq!(status(CommandRefusal::InviteExpired), 403);
        assert_eq!(status(CommandRefusal::NoItem), 404);
        assert_eq!(status(CommandRefusal::NotFound), 404);
        assert_eq!(status(CommandRefusal::OwnSpace), 400);
        assert_eq!(status(CommandRefusal::Field("what")), 400);
        assert_eq!(status(CommandRefusal::NoAddress), 409);
        assert_eq!(ApiError::from(Failure::DiskFull("full".to_owned())).status.as_u16(), 507);
        assert_eq!(ApiError::from(Failure::Stopping).status.as_u16(), 503);
    }

    #[test]
    fn a_refusal_keeps_its_name_and_has_a_hint() {
        let error = ApiError::from(relay(RelayRefusal::TagNotLinked));
        assert_eq!(error.reason, "tag_not_linked");
        assert!(error.hint.contains("hearth link list"), "{}", error.hint);
    }

    #[test]
    fn a_field_that_is_too_long_reads_as_a_sentence() {
        let why = TextRefusal::TooLong { most: 3, found: 4 };
        let error = ApiError::from(DraftRefusal::Text { field: "title", why });
        assert_eq!(error.error, "the title is 4 bytes long; at most 3 are allowed");
        assert_eq!((error.status.as_u16(), error.reason.as_ref()), (400, "too_long"));
    }

    #[test]
    fn the_name_that_a_peer_gives_its_refusal_is_shown_only_as_a_name() {
        assert_eq!(ApiError::refused_by_member("invite_used_up").reason, "invite_used_up");
        for name in ["", "\u{1b}[31mred", &"a".repeat(65), "Not a name"] {
            assert_eq!(ApiError::refused_by_member(name).reason, "refused", "{name:?}");
        }
    }
}
