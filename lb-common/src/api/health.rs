use super::Verdict;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a health check says of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The check in words, like `http GET /check.txt on 192.0.2.11:80 every 2s`.
    pub check: String,
    /// Whether the server is up.
    pub verdict: Verdict,
    /// Seconds since it is.
    pub since: u64,
    /// Why, in words.
    pub cause: String,
    /// The last results, newest first.
    pub last: Vec<CheckResult>,
}

/// One run of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Milliseconds since it ended.
    pub ago: u64,
    /// Whether the server passed.
    pub passed: bool,
    /// How long it took, in microseconds.
    pub latency: u64,
    /// What was found, in words: `HTTP status 200`, `connection refused`.
    pub cause: String,
}
