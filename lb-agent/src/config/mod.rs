//! The configuration file: from text to a [`Config`], or to all that is wrong with it.
//!
//! ```yaml
//! interfaces: [eth0]                # where the XDP program goes
//! limits: { services: 4096, servers: 16384, slots: 4194304, flows: 262144, half_open: 65536 }
//! control: { group: adm }           # who may use the control socket, beside root
//! autoreload: true                  # read this file again when it changes; default false
//! services:
//!   - name: web
//!     address: 192.168.0.99:80      # or "[2001:db8::99]:80", in quotes
//!     protocol: tcp                 # tcp (default), udp
//!     mode: dr                      # nat, dr, tunnel (masq, gate, ipip)
//!     scheduler: mh                 # rr, wrr (default), sh, mh, dh, lc, wlc, sed, nq
//!     scheduler_flags: [mh-port]    # with mh, or sh-port with sh: hash the client's port too
//!     table_size: 65537             # with mh: a prime
//!     timeouts: { syn: 60s, established: 15m, fin: 2m, closed: 10s, udp: 5m }
//!     persist: 300s                 # a client's next connections go to the same server
//!     persist_netmask: 24           # or 255.255.255.0: clients that count as one
//!     on_down: reset                # or keep: connections of a server that goes down
//!     slow_start: 30s               # less than its weight for a server that came up
//!     fallback: 127.0.0.1:80        # serves when no server does; may be this director
//!     check: { type: http, path: /check.txt }     # or a type alone, or off (default)
//!     servers:
//!       - { name: webA, address: 192.168.0.102:80, weight: 1 }
//!       - { name: webB, address: 192.168.0.103:80, backup: true, max_connections: 1000,
//!           admin: drained, check: off }          # enabled (default), drained, disabled
//! ```
//!
//! Every check may have `interval` (2s), `timeout` (1s, or the interval if that is less), `rise`
//! (2), `fall` (3), `initial` (down, or up) and, in place of the server's own, `address` and
//! `port`. By type:
//!
//! ```yaml
//! - { type: tcp }
//! - { type: http, method: GET, path: /, host: example.org, version: 1.1,
//!     expect: [200-399], body: '^ok' }
//! - { type: https, verify: true, name: example.org, ca: /etc/lb/ca.pem }      # and as http
//! - { type: smtp, helo: lb.example.org }
//! - { type: dns, name: example.org, record: A, expect: 192.168.0.99 }
//! - { type: udp, send: 'ping\x00', expect: '^pong' }
//! - { type: ping }
//! - { type: exec, command: [/usr/local/bin/check, argument], user: nobody }
//! ```
//!
//! A text becomes a tree that knows the place of every value (`node`); the tree becomes a
//! [`Config`] by the tables of fields in `document`, with the helpers of `decode` and the rules
//! of `value` and `rules`. Reading goes on after a problem, so all are reported at once. `emit`
//! is the way back.

mod checks;
mod decode;
mod diff;
mod distinct;
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
