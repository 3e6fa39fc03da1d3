//! Who gets connections: health checks with real servers, what an operator changes, and what
//! survives.

mod setting;

mod changes;
mod checks;
mod drain;
mod events;
mod files;
mod hostile;
mod http;
mod mail_and_names;
mod on_down;
mod restarts;
mod spare;
