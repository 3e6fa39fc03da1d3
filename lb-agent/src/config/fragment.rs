//! One service or server on its own, in the file's syntax.

use super::decode::Field;
use super::document::{Beside, Context, Members, server, service};
use super::host::{AnyHost, ThisHost};
use super::load::{read_text, utf8};
use super::model::{Config, Server, Service};
use super::rules::{Known, Totals};
use lb_common::api::Problem;

/// What the text is called in problems.
const NAME: &str = "definition";

const SERVICE: &str = "a service";
const SERVER: &str = "a server";

/// Reads a service that is to run beside those of `running`, or says all that is wrong with it.
/// The text is a service as in the file, in YAML or JSON.
pub fn parse_service(text: &[u8], running: &Config) -> Result<Service, Vec<Problem>> {
    let read = |field: &Field<'_>, context: &Context<'_>| {
        service(field, &mut Beside::running(running), context)
    };
    read_text(NAME, utf8(NAME, text)?, SERVICE, &ThisHost(&|_| true), read)
}

/// Reads a server that is to serve a service of `running`, or says all that is wrong with it.
/// The text is a server as in the file, in YAML or JSON.
pub fn parse_server(text: &[u8], of: &Service, running: &Config) -> Result<Server, Vec<Problem>> {
    let read = |field: &Field<'_>, context: &Context<'_>| {
        let mut totals = Totals::running(running);
        server(field, Known::of(of), &mut Members::running(of), &mut totals, context)
    };
    read_text(NAME, utf8(NAME, text)?, SERVER, &ThisHost(&|_| true), read)
}

/// Reads a service that was accepted before: whatever runs beside it, and whatever has become of
/// this host.
pub(crate) fn accepted_service(text: &str) -> Result<Service, Vec<Problem>> {
    read_text(NAME, text, SERVICE, &AnyHost, |field, context| {
        service(field, &mut Beside::nothing(None), context)
    })
}

/// Reads a server that was accepted before, whatever its service is now.
pub(crate) fn accepted_server(text: &str) -> Result<Server, Vec<Problem>> {
    read_text(NAME, text, SERVER, &AnyHost, |field, context| {
        let known = Known { address: None, mode: None };
        server(field, known, &mut Members::nobody(), &mut Totals::new(None), context)
    })
}
