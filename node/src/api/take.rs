//! Taking requests apart: bodies, queries, paths and request ids, each with an error of ours.
//!
//! Leaves to others: what the parts mean. Always true: a body is read only up to its route's
//! bound and within a time; JSON is taken only as `application/json`, which no page of another
//! origin can send unasked.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::{handle::RequestId, limits};

/// Where a request's own id stands.
const ID: &str = "x-request-id";

/// A JSON body.
pub(super) struct Told<T>(pub(super) T);

/// A body of bytes.
pub(super) struct Raw(pub(super) Vec<u8>);

/// The query.
pub(super) struct Asked<T>(pub(super) T);

/// What the path names.
pub(super) struct At<T>(pub(super) T);

/// The request's own id: the same again is the same request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id(pub(super) Option<RequestId>);

impl Id {
    /// The id of one of several commands that a request comes to.
    pub(super) fn part(self, number: u64) -> Option<RequestId> {
        let whole = self.0?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&whole);
        hasher.update(&number.to_be_bytes());
        hasher.finalize().as_bytes().first_chunk().copied()
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Told<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        is_of_type(request.headers(), "application/json")?;
        let bytes = body(request, state).await?;
        let why = |why: serde_json::Error| {
            ApiError::typed(
                "bad_json",
                format!("the request's JSON is not what is expected: {why}"),
                "look at the names and the types of its parts",
            )
        };
        serde_json::from_slice(&bytes).map(Told).map_err(why)
    }
}

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        is_of_type(request.headers(), "application/octet-stream")?;
        body(request, state).await.map(|bytes| Raw(bytes.into()))
    }
}

async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let late = |_| {
        ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "the request's body did not come in time",
            "send it again",
        )
    };
    let read = tokio::time::timeout(limits::API_BODY_TIME, Bytes::from_request(request, state)).await.map_err(late)?;
    read.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the request's body is longer than this node takes",
            "send less at once; `hearth limits` lists the bounds",
        ),
        _ => ApiError::typed("bad_body", "the request's body broke off", "send it again"),
    })
}

fn is_of_type(headers: &HeaderMap, wanted: &str) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = given.split(';').next().unwrap_or_default().trim();
    if given.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let error = format!("this takes {wanted} only");
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "wrong_type",
        error,
        format!("send it with `Content-Type: {wanted}`"),
    ))
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let why = |why: axum::extract::rejection::QueryRejection| {
            ApiError::typed("bad_query", why.body_text(), "look at the names and the types of its parts")
        };
        Query::try_from_uri(&parts.uri).map(|Query(asked)| Asked(asked)).map_err(why)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let why = |why: axum::extract::rejection::PathRejection| {
            ApiError::typed("bad_path", why.body_text(), "look at the names and the types of its parts")
        };
        Path::from_request_parts(parts, state).await.map(|Path(at)| At(at)).map_err(why)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(given) = parts.headers.get(ID) else { return Ok(Id(None)) };
        let id = HEXLOWER_PERMISSIVE.decode(given.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let error = || {
            ApiError::typed(
                "bad_request_id",
                "a request's id is 32 hexadecimal digits",
                "send `X-Request-Id` with 16 random bytes",
            )
        };
        id.map(|id| Id(Some(id))).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
        time::Instant,
    };

    use axum::{
        body::{Body, HttpBody},
        response::IntoResponse,
    };
    use hearth_protocol::testing::lasted;
    use hyper::body::Frame;

    use super::*;

    /// A body of which nothing comes.
    struct Silent;

    impl HttpBody for Silent {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let begun = Instant::now();
        let refused = body(Request::new(Body::new(Silent)), &()).await.expect_err("it never comes");
        lasted(limits::API_BODY_TIME, begun.elapsed());
        assert_eq!(refused.into_response().status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn the_parts_of_a_request_have_ids_of_their_own_that_stay_the_same() {
        let id = Id(Some([7; 16]));
        assert_eq!(id.part(1), id.part(1));
        assert_ne!(id.part(1), id.part(2));
        assert_ne!(id.part(1), Id(Some([8; 16])).part(1));
        assert_eq!(Id(None).part(1), None);
    }
}
