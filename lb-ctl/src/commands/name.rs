//! Names on the command line.

use std::str::FromStr;

/// What is said of a [`ServerName`] in `--help`.
pub(crate) const SERVER: &str = "The server, such as web/webA";

/// A service, or a server of it, as `SERVICE` or `SERVICE/SERVER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub service: String,
    pub server: Option<String>,
}

/// A server of a service, as `SERVICE/SERVER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerName {
    pub service: String,
    pub server: String,
}

impl FromStr for ServerName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((service, server))
                if !service.is_empty() && !server.is_empty() && !server.contains('/') =>
            {
                Ok(Self { service: service.to_owned(), server: server.to_owned() })
            }
            _ => Err("expected SERVICE/SERVER, such as web/webA"),
        }
    }
}

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('/') {
            let ServerName { service, server } = text.parse()?;
            return Ok(Self { service, server: Some(server) });
        }
        match text {
            "" => Err("expected SERVICE or SERVICE/SERVER, such as web or web/webA"),
            service => Ok(Self { service: service.to_owned(), server: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_servers() {
        let name = ServerName { service: "web".to_owned(), server: "webA".to_owned() };
        assert_eq!("web/webA".parse(), Ok(name));
        for wrong in ["", "web", "/", "web/", "/webA", "web/webA/", "web//webA", "a/b/c"] {
            assert!(wrong.parse::<ServerName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn names_of_services_or_servers() {
        let web = || "web".to_owned();
        assert_eq!("web".parse(), Ok(Named { service: web(), server: None }));
        let server = Some("webA".to_owned());
        assert_eq!("web/webA".parse(), Ok(Named { service: web(), server }));
        for wrong in ["", "/", "web/", "/webA", "a/b/c"] {
            assert!(wrong.parse::<Named>().is_err(), "{wrong:?}");
        }
    }
}
