//! The proxy that the environment names for a server. What is meant for TLS goes by `HTTPS_PROXY`, everything else by
//! `HTTP_PROXY`, as everywhere; the library beneath would take whichever it finds first for both.

use ureq::Proxy;
use ureq::http::Uri;

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
    pub fn of(base: &str) -> Option<Self> {
        let uri: Uri = base.parse().ok()?;
        if Proxy::try_from_env()?.is_no_proxy(&uri) {
            return None;
        }
        let variables = match base.starts_with("https:") {
            true => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            false => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        };
        let named = |variable| std::env::var(variable).ok().filter(|value| !value.is_empty()).map(|v| (variable, v));
        let (variable, value) = variables.into_iter().find_map(named)?;
        Some(Self { proxy: Proxy::new(&value).ok()?, variable })
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
