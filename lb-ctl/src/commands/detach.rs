use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::print;
use hyper::Method;
use std::process::ExitCode;

/// `detach`
pub(crate) fn detach(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    // The answer is empty, for programs as well.
    client.send(&Request::new(Method::POST, &["detach"]))?;
    if format == Format::Table {
        print("the data plane is down, and the agent ends\n")?;
    }
    Ok(ExitCode::SUCCESS)
}
