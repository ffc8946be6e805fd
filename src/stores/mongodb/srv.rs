//! `mongodb+srv://HOST`: a name in the DNS that stands for servers and options, looked up when a connection is made.
//!
//! Source: MongoDB's "Initial DNS Seedlist Discovery" specification.

use std::sync::OnceLock;

use super::dns::{Resolver, Target};
use super::endpoint::{Endpoint, Parts};
use super::wire::Trouble;
use crate::domain::Failure;

/// The options that a TXT record may say.
const TOLD: [&str; 3] = ["authSource", "replicaSet", "loadBalanced"];
/// Options that are about the lookup alone.
const OURS: [&str; 2] = ["srvServiceName", "srvMaxHosts"];

/// A name that is looked up once.
#[derive(Clone, Debug)]
pub struct Srv {
    /// The name.
    pub host: String,
    parts: Parts,
    resolver: Option<Resolver>,
    found: OnceLock<Box<Endpoint>>,
}

impl Srv {
    /// Not yet looked up. `dns` is the name server to ask instead of the system's.
    ///
    /// # Errors
    /// A place that is no single name without a port; a name server that is none.
    pub fn new(place: &str, mut parts: Parts, dns: Option<&str>) -> Result<Self, Failure> {
        let host = place.trim_end_matches('.');
        if host.is_empty() || host.contains([',', ':', '[', '%']) || !host.contains('.') {
            return Err(Failure::usage("a connection over `mongodb+srv` names one host of a domain, without a port")
                .hint("for example mongodb+srv://user:secret@cluster.example.net/shop"));
        }
        let resolver = dns
            .map(|server| {
                Resolver::of(server).ok_or_else(|| {
                    Failure::usage(format!("`dns = \"{server}\"` is no name server"))
                        .hint("for example dns = \"10.0.0.2\", or dns = \"127.0.0.1:5353\"")
                })
            })
            .transpose()?;
        // Whoever wants none has to say so.
        if parts.option("tls").is_none() && parts.option("ssl").is_none() {
            parts.options.push(("tls".to_owned(), "true".to_owned()));
        }
        Ok(Self { host: host.to_owned(), parts, resolver, found: OnceLock::new() })
    }

    /// What the name stands for, if it was looked up already.
    pub fn known(&self) -> Option<&Endpoint> {
        self.found.get().map(|found| &**found)
    }

    /// What the name stands for.
    ///
    /// # Errors
    /// The DNS does not say, or says what cannot be.
    pub fn look_up(&self) -> Result<&Endpoint, Trouble> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let resolver = self.resolver.clone().unwrap_or_else(Resolver::system);
        let service = self.parts.option("srvServiceName").unwrap_or("mongodb");
        let name = format!("_{service}._tcp.{}", self.host);
        let targets = resolver.targets(&name).map_err(Trouble::Line)?;
        let texts = resolver.texts(&self.host).map_err(Trouble::Line)?;
        let endpoint = self.endpoint(&name, &targets, &texts).map_err(Trouble::Line)?;
        Ok(self.found.get_or_init(|| Box::new(endpoint)))
    }

    fn endpoint(&self, name: &str, targets: &[Target], texts: &[String]) -> Result<Endpoint, String> {
        if targets.is_empty() {
            return Err(format!("the DNS knows no servers under {name} (SRV)"));
        }
        let domain = domain(&self.host);
        if let Some(stranger) = targets.iter().find(|t| !is_below(&t.host, &domain)) {
            return Err(format!(
                "the DNS names {} for {}, which is not below {domain}: nobody else's server is spoken to",
                stranger.host, self.host
            ));
        }
        let mut parts = self.parts.clone();
        parts.tell(&self.host, texts)?;
        let most = parts.option("srvMaxHosts").and_then(|n| n.parse().ok()).filter(|n| *n > 0).unwrap_or(usize::MAX);
        parts.options.retain(|(key, _)| !OURS.iter().any(|own| own.eq_ignore_ascii_case(key)));
        let hosts = targets.iter().take(most).map(|t| (t.host.clone(), t.port)).collect();
        parts.endpoint(hosts).map_err(|failure| failure.message)
    }
}

/// What the servers of a name have to be below: its domain, or a name of two labels itself.
fn domain(host: &str) -> String {
    let domain = host.split_once('.').map(|(_, domain)| domain).filter(|domain| domain.contains('.'));
    domain.unwrap_or(host).to_ascii_lowercase()
}

fn is_below(host: &str, domain: &str) -> bool {
    host.to_ascii_lowercase().strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

impl Parts {
    /// Takes over what the TXT record says and the URL does not.
    fn tell(&mut self, host: &str, texts: &[String]) -> Result<(), String> {
        let text = match texts {
            [] => return Ok(()),
            [text] => text,
            _ => return Err(format!("the DNS has more than one text (TXT) for {host}")),
        };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let said = pair.split_once('=').filter(|(key, _)| TOLD.iter().any(|told| told.eq_ignore_ascii_case(key)));
            let Some((key, value)) = said else {
                return Err(format!(
                    "the text (TXT) of {host} in the DNS says `{pair}`, and may say {} alone",
                    TOLD.join(", ")
                ));
            };
            if self.option(key).is_none() {
                self.options.push((key.to_owned(), value.to_owned()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_below_the_domain_of_the_name() {
        assert!(is_below("a.example.net", "example.net") && is_below("A.b.Example.NET", "example.net"));
        assert_eq!((domain("c.Example.net").as_str(), domain("example.net").as_str()), ("example.net", "example.net"));
        for stranger in ["example.net", ".example.net", "badexample.net", "example.net.evil.org"] {
            assert!(!is_below(stranger, "example.net"), "{stranger}");
        }
    }
}
