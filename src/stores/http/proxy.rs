//! The proxy that the environment names for a server. What is meant for TLS goes by `HTTPS_PROXY`, everything else by
//! `HTTP_PROXY`, as everywhere; the library beneath would take whichever it finds first for both.

use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};

use crate::domain::Failure;

/// What stands between us and a server.
#[derive(Clone, Debug)]
pub struct Between {
    /// The proxy.
    pub proxy: Proxy,
    /// The variable that names it.
    pub variable: &'static str,
}

impl Between {
    /// None where the environment names none, or `NO_PROXY` the server.
    ///
    /// # Errors
    /// [`crate::FailureKind::Usage`]: a variable that names no proxy. What it holds may be a password, and is not shown.
    pub fn of(base: &str) -> Result<Option<Self>, Failure> {
        let variables = match base.starts_with("https:") {
            true => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            false => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        };
        let value = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
        let named = variables.into_iter().find_map(|variable| value(variable).map(|value| (variable, value)));
        let (Some((variable, value)), Ok(uri)) = (named, base.parse()) else { return Ok(None) };
        if is_past(&uri) {
            return Ok(None);
        }
        let proxy = value.to_str().and_then(|value| Proxy::new(value).ok());
        match proxy.filter(is_usable) {
            Some(proxy) => Ok(Some(Self { proxy, variable })),
            None => Err(Failure::usage(format!("the variable {variable} names no proxy that can be used")).hint(format!(
                "write {variable}=http://USER:PASSWORD@HOST:PORT, with `@`, `/`, `:` and `#` of a password as %40, %2F, %3A and %23; \
                 NO_PROXY=HOST goes past the proxy"
            ))),
        }
    }

    /// ` through the proxy host:3128 (HTTPS_PROXY)`
    pub fn shown(&self) -> String {
        format!(" through the proxy {}:{} ({})", self.proxy.host(), self.proxy.port(), self.variable)
    }

    /// What to do where it lets nobody through.
    pub fn advice(&self, said: &str) -> String {
        let variable = self.variable;
        if said.contains("responded 407") || said.contains("responded 401") {
            return format!(
                "the proxy wants a login: {variable}=http://USER:PASSWORD@{}:{}",
                self.proxy.host(),
                self.proxy.port()
            );
        }
        if said.contains("CONNECT") {
            return "the proxy must let CONNECT through to the server's port; NO_PROXY=HOST goes past it".to_owned();
        }
        format!("is {variable} right? NO_PROXY=HOST goes past the proxy")
    }
}

/// Whether it is of a kind that is spoken here, with a port that is one: the library would take the usual port instead.
fn is_usable(proxy: &Proxy) -> bool {
    let place = proxy.uri().authority().map(|a| a.as_str().rsplit('@').next().unwrap_or_default());
    let port = place.and_then(|place| place.strip_prefix(proxy.host())).and_then(|rest| rest.strip_prefix(':'));
    matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https)
        && port.is_none_or(|port| port.is_empty() || port.parse::<u16>().is_ok())
}

/// Whether `NO_PROXY` names the server.
fn is_past(uri: &Uri) -> bool {
    let named = ["NO_PROXY", "no_proxy"].into_iter().find_map(|variable| std::env::var(variable).ok());
    let hosts = named.unwrap_or_default();
    // The library's own rules, whatever the proxy's name is.
    let any = hosts.split(',').fold(Proxy::builder(ProxyProtocol::Http), ureq::ProxyBuilder::no_proxy);
    any.build().is_ok_and(|proxy| proxy.is_no_proxy(uri))
}
