//! Every bound, with its reason: those of the protocol, which every node keeps to, and this node's own.

use axum::Json;
use hearth_protocol::limits as protocol;
use serde_json::{Value, json};

use crate::limits;

/// All of them.
pub(super) async fn list() -> Json<Value> {
    let view = |limit: &limits::Limit| json!({ "name": limit.name(), "value": limit.value, "unit": limit.unit, "reason": limit.reason() });
    let rows = protocol::ALL.iter().chain(limits::ALL).map(view);
    Json(json!({ "limits": rows.collect::<Vec<_>>() }))
}
