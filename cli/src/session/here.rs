//! The carrier within this process: the node is opened here and handed the same request that HTTP would bring.

use hearth_node::Node;

use super::{Carried, Carrier, Ended};
use crate::error::Error;
use crate::request::Request;

/// The router asks for a host of this machine; there is no port where there is no socket.
const HOST: &str = "localhost";

/// An open node in this process.
pub(super) struct Here {
    node: Box<Node>,
}

impl Here {
    pub(super) fn new(node: Node) -> Self {
        Self { node: Box::new(node) }
    }
}

impl Carrier for Here {
    fn carry(&mut self, request: Request) -> Carried<'_> {
        Box::pin(async move {
            let request = request.into_http(HOST, self.node.token())?;
            Ok(self.node.call(request).await)
        })
    }

    fn end(self: Box<Self>) -> Ended {
        Box::pin(async move { self.node.close().await.map_err(Error::from) })
    }
}
