//! HTTP kit of every listener: sockets with bounds, routes with roles, what a handler takes from a request, pages, and
//! the form of a refusal. The surfaces are built of it.

mod dress;
mod extract;
mod idempotent;
mod limit;
mod listener;
mod page;
mod problem;
mod refused;
mod route;
mod tag;
mod unreadable;
mod whole;

pub use dress::{Origins, REQUEST_ID};
pub use extract::{Json, Path, Query, bearer};
pub use limit::{Limits, limited, stream};
pub use listener::{Listener, PROTOCOLS, Peer, Shown};
pub use page::{PageQuery, page};
pub use problem::ProblemResponse;
pub use route::{Access, BEARER, Route, Routes};
pub use tag::{IfMatch, Tagged};
pub use whole::{collect, whole};
