//! Waiting for a condition, with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Long enough for anything in the lab on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);

/// Waits until `condition` holds.
///
/// # Errors
/// When it doesn't within `limit`; the error says what was awaited.
pub fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    wait_for(limit, what, || condition().then_some(()))
}

/// Waits until `attempt` gives something.
///
/// # Errors
/// When it doesn't within `limit`; the error says what was awaited.
pub fn wait_for<T>(
    limit: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Option<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return Ok(value);
        }
        if start.elapsed() >= limit {
            bail!("waited {limit:?} in vain for: {what}");
        }
        sleep(Duration::from_millis(2));
    }
}
