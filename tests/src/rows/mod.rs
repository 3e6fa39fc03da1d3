//! Rows: state before, packets in, reason, packets out, state after. Each goes through the loaded
//! program and through the host build, and both must do the same to the byte.
//!
//! ```text
//! row a SYN goes to the server, address and port rewritten
//! in    eth router > lb / ip client > web / tcp 40000 > 80 S
//! is    to-server redirect
//! out   eth lb > n1 / ip client > n1 ttl 63 / tcp 40000 > 8080 S
//! then  half-open client:40000 > web:80 tcp at n1 syn
//! count n1 new 1 in 1/40 out 0/0
//! ```
//!
//! A row that speaks of `ip` is run for IPv4 and for IPv6. Packets are those of [`crate::packet`];
//! a line that begins with `/` continues the one above. In the order of the row:
//!
//! - `given SERVER gone | unresolved | local | replaced | drained | leaving | resets`: what happened
//!   to a server (the last two are drained as well); `given SERVER:PORT load N`: its live connections;
//!   before the first packet also `given FLOW`: a flow that is there already; `given headroom N`:
//!   how much room the frames have in front, which only the host build can be told.
//! - `later N`: N seconds pass.
//! - `in PACKET`, then `is REASON`, for what is forwarded with `tx` or `redirect`, and then
//!   `out PACKET`. What is passed must be untouched.
//! - `then FLOW`: the flow tables at the end, all of them; `then nothing`.
//! - `count SERVER new N in PACKETS/BYTES out PACKETS/BYTES`: what was counted for the server.
//! - `load SERVER:PORT N`: how many live connections the server has at the end.
//!
//! The world that the rows live in is described in `world.txt` beside them.

mod bench;
mod change;
mod flow;
mod row;
mod services;
mod stage;

pub use bench::{Bench, Failure};
pub use row::{Row, load_all, parse_rows};

/// Where the rows are, and the description of their world.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/rows");
