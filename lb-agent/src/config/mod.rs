//! The configuration file: from text to a [`Config`], or to all that is wrong with it.
//!
//! ```yaml
//! interfaces: [eth0]                # where the XDP program goes
//! limits: { services: 4096, servers: 16384, slots: 4194304, flows: 262144, half_open: 65536 }
//! services:
//!   - name: web
//!     address: 192.168.0.99:80      # or "[2001:db8::99]:80", in quotes
//!     protocol: tcp                 # tcp (default), udp
//!     mode: dr                      # nat, dr, tunnel (masq, gate, ipip)
//!     scheduler: mh                 # rr, wrr (default), sh, mh
//!     scheduler_flags: [mh-port]    # or sh-port with sh: hash the client's port too
//!     table_size: 65537             # with mh: a prime
//!     timeouts: { syn: 60s, established: 15m, fin: 2m, closed: 10s, udp: 5m }
//!     servers:
//!       - { name: webA, address: 192.168.0.102:80, weight: 1 }
//! ```
//!
//! A text becomes a tree that knows the place of every value (`node`); the tree becomes a
//! [`Config`] by the table of fields in `document`, with the helpers of `decode` and the rules
//! of `value` and `check`. Reading goes on after a problem, so all are reported at once.

mod checks;
mod decode;
mod diff;
mod document;
mod duration;
mod emit;
mod fragment;
mod host;
mod load;
mod model;
mod node;
mod problem;
mod rules;
mod value;
mod warnings;

pub use diff::diff;
pub use emit::{server_text, service_text, to_yaml};
pub(crate) use fragment::{accepted_server, accepted_service};
pub use fragment::{parse_server, parse_service};
pub use load::{load, parse, parse_bytes};
pub use model::{Config, FALLBACK, Limits, Persist, Server, ServerCheck, Service};
pub(crate) use rules::fits;
