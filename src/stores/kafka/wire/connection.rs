//! One connection to one broker: frames, versions, logging in.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, StrBytes, encode_request_header_into_buffer};

use super::call::Call;
use super::{sasl, tls};
use crate::domain::Failure;
use crate::stores::kafka::endpoint::Endpoint;
use crate::stores::tls::Line;

/// How long a broker may take to be connected to.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a broker may take to answer.
const ANSWER: Duration = Duration::from_secs(40);
/// How long a connection may lie idle and be used again: brokers hang up after ten minutes, firewalls earlier.
const IDLE: Duration = Duration::from_secs(60);
/// No answer of ours is longer.
const LONGEST: usize = 256 << 20;

/// Why a request has no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The line is broken: another connection may do.
    Line(String),
    /// The broker or we refuse: another try will not help.
    Refused(Failure),
}

impl Trouble {
    /// As a failure of this endpoint.
    pub fn failure(self, endpoint: &Endpoint) -> Failure {
        match self {
            Self::Refused(failure) => failure,
            Self::Line(why) => Failure::unreachable(format!("{endpoint} cannot be reached: {why}"))
                .hint("is the broker running, and is this its address? `stepladder wait` waits for it"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Line(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it does not answer".to_owned(),
            io::ErrorKind::UnexpectedEof => {
                "it closed the connection (does this port want TLS, or a login?)".to_owned()
            }
            _ => error.to_string(),
        })
    }
}

/// A connection that is logged in.
pub struct Connection {
    stream: Box<dyn Line>,
    /// `host:port`.
    pub place: String,
    sent: i32,
    used: Instant,
    /// When the broker wants to see a login again.
    pub until: Option<Instant>,
    versions: BTreeMap<i16, (i16, i16)>,
    /// What it said of itself.
    pub said: ApiVersionsResponse,
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// No way in.
    pub fn open(endpoint: &Endpoint, host: &str, port: u16) -> Result<Self, Trouble> {
        let place = format!("{host}:{port}");
        let addresses = (host, port).to_socket_addrs().map_err(|e| Trouble::Line(format!("{place}: {e}")))?;
        let mut stream = Err(Trouble::Line(format!("{place} has no address")));
        for address in addresses {
            stream = TcpStream::connect_timeout(&address, CONNECT).map_err(|e| Trouble::Line(format!("{place}: {e}")));
            if stream.is_ok() {
                break;
            }
        }
        let stream = stream?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        let stream: Box<dyn Line> = match &endpoint.tls {
            None => Box::new(stream),
            Some(wanted) => tls::wrap(wanted, host, stream)?,
        };
        let said = ApiVersionsResponse::default();
        let mut connection =
            Self { stream, place, sent: 0, used: Instant::now(), until: None, versions: BTreeMap::new(), said };
        connection.learn_versions()?;
        if let Some(login) = &endpoint.login {
            sasl::log_in(&mut connection, login, endpoint)?;
        }
        Ok(connection)
    }

    /// Whether the broker may have hung up, or is about to: a change that is asked for over a dead line may have been
    /// made or not, so none is.
    pub fn is_stale(&self) -> bool {
        self.used.elapsed() > IDLE || self.until.is_some_and(|until| Instant::now() > until)
    }

    fn learn_versions(&mut self) -> Result<(), Trouble> {
        self.versions.insert(ApiVersionsRequest::KEY as i16, (0, ApiVersionsRequest::NEWEST));
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("stepladder"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let answer = self.ask(&request)?;
        self.versions = answer.api_keys.iter().map(|k| (k.api_key, (k.min_version, k.max_version))).collect();
        self.said = answer;
        Ok(())
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// A broken line; a broker that does not know the request.
    pub fn ask<C: Call>(&mut self, request: &C) -> Result<C::Answer, Trouble> {
        let (oldest, newest) = self.versions.get(&(C::KEY as i16)).copied().unwrap_or((1, 0));
        let version = newest.min(C::NEWEST);
        if version < oldest || version < C::VERSIONS.min {
            let what = format!("{} does not know {:?} in a version that is spoken here", self.place, C::KEY);
            return Err(Trouble::Refused(
                Failure::unreachable(what).hint("Apache Kafka 2.4 and everything newer is understood"),
            ));
        }
        let mut answer = self.exchange(request, version)?;
        // A broker that does not know the newest version of this one answers as the oldest.
        let is_old = C::KEY as i16 == ApiVersionsRequest::KEY as i16 && answer.starts_with(&[0, 35]);
        let version = if is_old { 0 } else { version };
        C::Answer::decode(&mut answer, version)
            .map_err(|e| Trouble::Line(format!("{} answered what is not Kafka's protocol: {e}", self.place)))
    }

    /// The bytes of an answer behind its header.
    fn exchange<C: Call>(&mut self, request: &C, version: i16) -> Result<Bytes, Trouble> {
        self.sent = self.sent.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(C::KEY as i16)
            .with_request_api_version(version)
            .with_correlation_id(self.sent)
            .with_client_id(Some(StrBytes::from_static_str("stepladder")));
        let mut frame = BytesMut::new();
        frame.extend_from_slice(&[0; 4]);
        let written = encode_request_header_into_buffer(&mut frame, &header);
        written.and_then(|()| request.encode(&mut frame, version)).map_err(|e| {
            Trouble::Refused(Failure::failed(format!("{:?} cannot be said to {}: {e}", C::KEY, self.place)))
        })?;
        let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&frame)?;
        self.stream.flush()?;
        let mut answer = self.frame()?;
        self.used = Instant::now();
        let header_version = if C::KEY as i16 == ApiVersionsRequest::KEY as i16 {
            0
        } else {
            <C::Answer as kafka_protocol::protocol::HeaderVersion>::header_version(version)
        };
        let header = ResponseHeader::decode(&mut answer, header_version)
            .map_err(|e| Trouble::Line(format!("{} answered what is not Kafka's protocol: {e}", self.place)))?;
        match header.correlation_id == self.sent {
            true => Ok(answer),
            false => Err(Trouble::Line(format!("{} answered another question", self.place))),
        }
    }

    fn frame(&mut self) -> Result<Bytes, Trouble> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > LONGEST {
            let what = "it answered what is not Kafka's protocol (does this port want TLS?)";
            return Err(Trouble::Line(format!("{}: {what}", self.place)));
        }
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame)?;
        Ok(Bytes::from(frame))
    }
}
