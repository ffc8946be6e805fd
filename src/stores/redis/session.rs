//! A connection that can be given up: a thread of its own waits for the answers, so that whoever asked can be told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Connection, RedisError, Value};

use super::cluster::Place;
use super::connect::connect;
use super::endpoint::Endpoint;
use super::moved::{Elsewhere, Patience, commands};
use super::refusal::refusal;
use super::words::{asking, pack};
use crate::config::scrub;
use crate::domain::Failure;
use crate::stores::FRESH;

/// How long a server may take over what is no script: others' scripts hold it up for as long as they run.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The same of one that has been silent: its machine is gone, or asleep, or cut off.
const SILENT: Duration = Duration::from_secs(2);

/// What the server answered to one command: a value or its words of refusal.
pub type Reply = Result<Value, String>;

type Answer = Result<Vec<Reply>, RedisError>;

/// A connection, made when it is first needed.
pub struct Session {
    /// Where to.
    pub endpoint: Arc<Endpoint>,
    /// Where it first was: a cluster may have sent us on to a node that is gone now.
    first: Arc<Endpoint>,
    /// Whether we were just sent there, and have not been.
    sent_on: bool,
    wire: Option<Wire>,
    /// Whether the server has been silent for too long, which all connections to it share.
    silent: Arc<AtomicBool>,
    /// Whether it stays with its node of a cluster, whatever key it is asked for.
    fixed: bool,
}

struct Wire {
    ask: Sender<(Arc<Vec<u8>>, usize)>,
    answers: Receiver<Answer>,
    /// The server's number of this connection, once it was asked for.
    id: Option<i64>,
    /// Questions that are on their way.
    waiting: usize,
    /// When the last answer came.
    since: Instant,
}

impl Wire {
    fn is_fresh(&self) -> bool {
        self.waiting > 0 || self.since.elapsed() < FRESH
    }
}

/// What stopped a wait.
pub enum Waited<S> {
    /// The answers came.
    Answered(Vec<Reply>),
    /// They were no longer wanted; the connection is given up.
    Stopped(S),
}

impl Session {
    /// To this place, when first needed.
    pub fn new(endpoint: Arc<Endpoint>) -> Self {
        Self {
            first: Arc::clone(&endpoint),
            endpoint,
            sent_on: false,
            wire: None,
            silent: Arc::default(),
            fixed: false,
        }
    }

    /// Another connection to the same place.
    pub fn another(&self) -> Self {
        let (first, silent) = (Arc::clone(&self.first), Arc::clone(&self.silent));
        Self { first, silent, ..Self::new(Arc::clone(&self.endpoint)) }
    }

    /// One to this node of a cluster, which stays there.
    pub fn fixed_at(&self, place: &Place) -> Self {
        Self { fixed: true, ..Self::new(Arc::new(self.endpoint.at(place))) }
    }

    /// Nothing is heard of the server any more: nobody waits long for it from now on.
    pub fn is_silent(&mut self) {
        self.wire = None;
        self.silent.store(true, Ordering::SeqCst);
    }

    /// One for ending a script: a server that is busy with it lets nobody choose a database, but answers that at once.
    pub fn for_ending(&self) -> Self {
        let mut endpoint = (*self.endpoint).clone();
        let settings = endpoint.info.redis_settings().clone().set_db(0);
        endpoint.info = endpoint.info.set_redis_settings(settings);
        Self::new(Arc::new(endpoint))
    }

    /// One command.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Value, Failure> {
        let mut packed = Vec::new();
        pack(words, &mut packed);
        let reply = self.send(packed, 1)?.pop().unwrap_or(Ok(Value::Nil));
        reply.map_err(|words| self.refused(&words))
    }

    /// Commands that were packed one after the other, in one write; the answers in order. Where a cluster has their keys on
    /// another node, they are sent there, and so is all that follows; where it is about to have them there, a little later.
    ///
    /// # Errors
    /// No answer.
    pub fn send(&mut self, packed: Vec<u8>, count: usize) -> Result<Vec<Reply>, Failure> {
        let packed = Arc::new(packed);
        let mut replies = self.send_here(&packed, count)?;
        let mut patience = Patience::new();
        while let Some(elsewhere) = replies.iter().find_map(Elsewhere::of_reply) {
            if self.fixed || !self.follow(&elsewhere, &mut patience) {
                break;
            }
            match elsewhere {
                Elsewhere::Ask(_) => self.ask_aside(&packed, &mut replies)?,
                _ => replies = self.send_here(&packed, count)?,
            }
        }
        Ok(replies)
    }

    /// Turns to where a cluster, or sentinels, have what was asked for; false when it has taken too long, or no other place is
    /// known.
    pub fn follow(&mut self, elsewhere: &Elsewhere, patience: &mut Patience) -> bool {
        match elsewhere {
            Elsewhere::Moved(place) => {
                self.endpoint = Arc::new(self.endpoint.at(place));
                self.sent_on = true;
                self.wire = None;
            }
            Elsewhere::Master if self.endpoint.sentinels.is_none() => return false,
            Elsewhere::Master => self.wire = None,
            Elsewhere::Ask(_) | Elsewhere::Later => {}
        }
        patience.wait(elsewhere)
    }

    /// Asks another node for those answers that are to be had there this once.
    fn ask_aside(&self, packed: &[u8], replies: &mut [Reply]) -> Result<(), Failure> {
        for (command, reply) in commands(packed).into_iter().zip(replies) {
            if let Some(Elsewhere::Ask(place)) = Elsewhere::of_reply(reply) {
                let mut answers = self.fixed_at(&place).send_here(&Arc::new(asking(command)), 2)?;
                *reply = answers.pop().unwrap_or_else(|| Err("no answer".to_owned()));
            }
        }
        Ok(())
    }

    fn send_here(&mut self, packed: &Arc<Vec<u8>>, count: usize) -> Result<Vec<Reply>, Failure> {
        let (began, silent) = (Instant::now(), Arc::clone(&self.silent));
        let patience = move || if silent.load(Ordering::SeqCst) { SILENT } else { PATIENCE };
        match self.wait(Arc::clone(packed), count, || (began.elapsed() > patience()).then_some(()))? {
            Waited::Answered(replies) => Ok(replies),
            Waited::Stopped(()) => {
                let place = self.endpoint.to_string();
                Err(Failure::unreachable(format!("{place} has not answered for {} s", began.elapsed().as_secs()))
                    .hint("a script may hold the server up: `redis-cli SCRIPT KILL` ends one that has written nothing"))
            }
        }
    }

    /// The same, for as long as `stop` has nothing to say.
    ///
    /// # Errors
    /// No connection.
    pub fn wait<S>(
        &mut self,
        packed: impl Into<Arc<Vec<u8>>>,
        count: usize,
        stop: impl FnMut() -> Option<S>,
    ) -> Result<Waited<S>, Failure> {
        self.push(packed, count)?;
        self.pull(stop)
    }

    /// Sends commands, whose answers are [pulled](Self::pull) later, in the order in which they were pushed.
    ///
    /// # Errors
    /// No connection.
    pub fn push(&mut self, packed: impl Into<Arc<Vec<u8>>>, count: usize) -> Result<(), Failure> {
        let wire = self.wire()?;
        wire.waiting += 1;
        match wire.ask.send((packed.into(), count)) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.lost("the connection is gone")),
        }
    }

    /// Waits for the oldest answers that were not yet pulled, for as long as `stop` has nothing to say.
    ///
    /// # Errors
    /// The connection broke.
    pub fn pull<S>(&mut self, mut stop: impl FnMut() -> Option<S>) -> Result<Waited<S>, Failure> {
        let Some(wire) = &mut self.wire else { return Err(self.lost("the connection is gone")) };
        loop {
            match wire.answers.recv_timeout(Duration::from_millis(20)) {
                Ok(Ok(replies)) => {
                    (wire.waiting, wire.since) = (wire.waiting.saturating_sub(1), Instant::now());
                    return Ok(Waited::Answered(replies));
                }
                Ok(Err(error)) => {
                    let words = error.to_string();
                    return Err(self.lost(&words));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.lost("the connection is gone")),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(why) = stop() {
                        self.wire = None;
                        return Ok(Waited::Stopped(why));
                    }
                }
            }
        }
    }

    /// The server's number of this connection, by which another one can end what it waits for.
    ///
    /// # Errors
    /// No answer.
    pub fn id(&mut self) -> Result<i64, Failure> {
        if let Some(id) = self.wire()?.id {
            return Ok(id);
        }
        let id = match self.ask(&["CLIENT", "ID"])? {
            Value::Int(id) => id,
            _ => 0,
        };
        if let Some(wire) = &mut self.wire {
            wire.id = Some(id);
        }
        Ok(id)
    }

    fn wire(&mut self) -> Result<&mut Wire, Failure> {
        let wire = match self.wire.take().filter(Wire::is_fresh) {
            Some(wire) => wire,
            None => start(self.connected()?),
        };
        Ok(self.wire.insert(wire))
    }

    fn connected(&mut self) -> Result<Connection, Failure> {
        let sent_on = std::mem::take(&mut self.sent_on);
        match connect(&self.endpoint) {
            Err(failure) if !self.fixed && !Arc::ptr_eq(&self.endpoint, &self.first) => {
                // Another node may have its keys now, and the first one knows which, unless it has just sent us here.
                self.endpoint = Arc::clone(&self.first);
                if sent_on { Err(failure) } else { connect(&self.endpoint) }
            }
            connected => connected,
        }
    }

    fn lost(&mut self, words: &str) -> Failure {
        self.wire = None;
        let words = scrub(words, &self.endpoint.secrets());
        Failure::unreachable(format!("the connection to {} broke: {words}", self.endpoint))
    }

    /// A refusal in words for a person.
    pub fn refused(&self, words: &str) -> Failure {
        let words = scrub(words, &self.endpoint.secrets());
        refusal(&self.endpoint.to_string(), &words)
    }
}

/// Starts the thread that waits for the answers of a connection.
fn start(mut connection: Connection) -> Wire {
    let (ask, asked) = channel::<(Arc<Vec<u8>>, usize)>();
    let (answer, answers) = channel();
    thread::spawn(move || {
        while let Ok((packed, count)) = asked.recv() {
            let all = talk(&mut connection, &packed, count);
            let broken = all.is_err();
            if answer.send(all).is_err() || broken {
                return;
            }
        }
    });
    Wire { ask, answers, id: None, waiting: 0, since: Instant::now() }
}

fn talk(connection: &mut Connection, packed: &[u8], count: usize) -> Answer {
    connection.send_packed_command(packed)?;
    let mut replies = Vec::with_capacity(count);
    while replies.len() < count {
        replies.push(match connection.recv_response() {
            Ok(Value::ServerError(error)) => Err(format!("{} {}", error.code(), error.details().unwrap_or_default())),
            Ok(value) => Ok(value),
            Err(error) if error.code().is_some() && !error.is_io_error() => {
                Err(format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default()))
            }
            Err(error) => return Err(error),
        });
    }
    Ok(replies)
}
