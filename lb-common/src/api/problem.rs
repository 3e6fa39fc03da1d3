use super::MAX_CHECK;
use alloc::{format, string::String};
use serde::{Deserialize, Serialize};

/// What is wrong in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file as it was named.
    pub file: String,
    /// From 1; 0 where the problem is the file as a whole.
    pub line: u64,
    /// From 1; 0 where the problem is the file as a whole.
    pub column: u64,
    /// Path of the field, like `services[0].servers[1].weight`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    /// A file is larger than [`MAX_CHECK`].
    pub fn too_large(file: &str) -> Self {
        let size = MAX_CHECK >> 20;
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            field: String::new(),
            message: format!("larger than {size} MiB, which no configuration is"),
        }
    }
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}
