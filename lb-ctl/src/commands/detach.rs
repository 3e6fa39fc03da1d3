use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::done;
use hyper::Method;
use std::process::ExitCode;

/// `detach`
pub(crate) fn detach(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    let request = Request::new(Method::POST, &["detach"]);
    done(client, format, &request, "the data plane is down, and the agent ends")
}
