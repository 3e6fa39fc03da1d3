//! What services and servers are defined by, from options to the configuration file's syntax.

use serde_json::{Map, Value};
use std::str::FromStr;

/// A mapping in the file's syntax; what is absent is left out.
#[derive(Default)]
pub(super) struct Definition(Map<String, Value>);

impl Definition {
    pub(super) fn with(mut self, field: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.0.insert(field.to_owned(), value.into());
        }
        self
    }
}

impl From<Definition> for Value {
    fn from(Definition(fields): Definition) -> Self {
        Self::Object(fields)
    }
}

/// How servers are checked.
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct CheckOptions {
    /// How servers are checked: tcp, http, https, smtp, dns, udp, ping, exec or off
    #[arg(long, value_name = "TYPE")]
    check: Option<String>,
    /// A field of the check as in the file, like path=/health or interval=500ms; may be repeated
    #[arg(long, value_name = "FIELD=VALUE", requires = "check")]
    check_field: Vec<Setting>,
}

impl CheckOptions {
    /// The field `check`.
    pub(super) fn value(&self) -> Option<Value> {
        let check = self.check.as_ref()?;
        if self.check_field.is_empty() {
            return Some(Value::from(check.clone()));
        }
        let kind = Definition::default().with("type", Some(check.clone()));
        let fields = self
            .check_field
            .iter()
            .fold(kind, |fields, Setting { field, value }| fields.with(field, Some(value.clone())));
        Some(fields.into())
    }
}

/// A field and its value, as `FIELD=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    field: String,
    value: Value,
}

impl FromStr for Setting {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (field, value) = text
            .split_once('=')
            .filter(|(field, _)| !field.is_empty())
            .ok_or("expected FIELD=VALUE, such as path=/health")?;
        // As YAML reads words without quotes.
        let value = match (value, value.parse::<u32>()) {
            ("true", _) => Value::Bool(true),
            ("false", _) => Value::Bool(false),
            (_, Ok(number)) if number.to_string() == value => Value::from(number),
            _ => Value::from(value),
        };
        Ok(Self { field: field.to_owned(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_read_as_yaml_reads_them() {
        let rows = [
            ("path=/a=b", json!("/a=b")),
            ("rise=3", json!(3)),
            ("verify=false", json!(false)),
            ("version=1.0", json!("1.0")),
            ("send=007", json!("007")),
            ("send=", json!("")),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Setting>().unwrap().value, expected, "{text}");
        }
        for wrong in ["", "path", "=x"] {
            assert!(wrong.parse::<Setting>().is_err(), "{wrong:?}");
        }
    }
}
