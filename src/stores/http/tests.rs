//! The runner against a server of one thread that answers what each test says, and a ledger in memory.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Agent, Answer, Book, Call, Fault, Line, Manners, Progress, Task, Unsendable, run, seed};
use crate::config::Secret;
use crate::domain::http::Request;
use crate::domain::sql::Shape;
use crate::domain::{Checksum, Direction, Failure, FailureKind, Mode, Reason, Version};
use crate::stores::{Context, Kept, Outcome, Step, StepFailure, Stop, StopReason};

/// Answers one connection after the other, each with the next of these, and keeps what it was asked.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, mut answers) =
            (Arc::clone(&asked), answers.iter().map(|a| (*a).to_owned()).collect::<VecDeque<_>>());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                heard.lock().unwrap().push(request(&stream));
                let answer = answers.pop_front().unwrap_or_else(|| ok("{}"));
                if answer.is_empty() {
                    // It never answers.
                    thread::spawn(move || {
                        thread::sleep(Duration::from_secs(20));
                        drop(stream);
                    });
                    continue;
                }
                (&stream).write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { port, asked }
    }

    fn agent(&self) -> Agent {
        Agent::new(
            &format!("http://127.0.0.1:{}", self.port),
            "the store",
            vec![("authorization", Secret::new("s3cret-word"))],
        )
    }

    /// `PUT /a` of everything that came.
    fn lines(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|r| r.split(" HTTP/").next().unwrap_or_default().to_owned()).collect()
    }
}

/// One request, head and body.
fn request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
    let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn ok(body: &str) -> String {
    answer("200 OK", "content-type: application/json\r\n", body)
}

/// A ledger in memory that lets a number of writes through.
struct Memory {
    agent: Agent,
    lines: Vec<String>,
    lets: usize,
}

impl Memory {
    fn new(server: &Server) -> Self {
        Self { agent: server.agent(), lines: Vec::new(), lets: usize::MAX }
    }
}

impl Book for Memory {
    fn agent(&self) -> &Agent {
        &self.agent
    }

    fn write(&mut self, lines: &[Line]) -> Result<bool, Failure> {
        if self.lets == 0 {
            return Ok(false);
        }
        self.lets -= 1;
        let words = lines.iter().map(|line| match line {
            Line::Entry(new) => format!("{} {}", new.event.word(), new.label),
            Line::Journal { version, done, total } => format!("{version}: {done}/{total}"),
        });
        self.lines.push(words.collect::<Vec<_>>().join(" + "));
        Ok(true)
    }
}

struct Plain;

impl Manners for Plain {
    fn allow(&self, _: &Request, call: &Call) -> Result<(), Unsendable> {
        if call.path == "/ledger" { Err(("not yours".to_owned(), "leave it".to_owned())) } else { Ok(()) }
    }

    fn refusal(&self, _: &Request, answer: &Answer) -> Fault {
        Fault { message: format!("HTTP {} {}", answer.status, answer.body), hints: vec!["advice".to_owned()] }
    }

    fn hidden(&self, _: &Request, answer: &Answer) -> Option<Fault> {
        let hidden = answer.body.contains("errors");
        hidden.then(|| Fault { message: "errors inside".to_owned(), hints: Vec::new() })
    }

    fn task(&self, answer: &Answer) -> Option<Task> {
        let name = answer.json()["task"].as_str()?.to_owned();
        let cancel = Some(Call { method: "POST".to_owned(), ..Call::get("/cancel") });
        Some(Task { ask: Call::get(format!("/task/{name}")), name, cancel })
    }

    fn progress(&self, answer: &Answer) -> Progress {
        match answer.body.as_str() {
            "busy" => Progress::Running,
            "bad" => Progress::Failed(Fault { message: "the task failed".to_owned(), hints: Vec::new() }),
            _ => Progress::Finished,
        }
    }
}

fn step(version: u32, text: &str) -> Step {
    Step {
        index: version as usize,
        store: "s".to_owned(),
        version: Version::new(version.into()),
        label: format!("{version:03}_x"),
        direction: Direction::Up,
        path: "x.http".to_owned(),
        file: None,
        text: text.into(),
        extension: "http".to_owned(),
        shape: Shape::default(),
        mode: Mode::TwoPhase(Reason::Kind),
        checksum: Checksum::of(b"x"),
        down: None,
        timeout: None,
        resume_from: 0,
    }
}

fn go(book: &mut Memory, steps: &[Step], stop: &Stop) -> Result<Outcome, StepFailure> {
    run(book, &Plain, steps, &Context { run: "r", stop, event: &|_, _| {} })
}

#[test]
fn every_request_is_sent_once_and_noted() {
    let server = Server::start(&[]);
    let mut book = Memory::new(&server);
    let steps = [
        step(1, "PUT /a\nX-Own: 1\n\n{\"b\": 1}\n###\nDELETE /b\n###\nGET /c\n\n{}"),
        step(2, "# nothing"),
        step(3, "POST /d\n\ntext"),
    ];
    assert_eq!(go(&mut book, &steps, &Stop::default()), Ok(Outcome::AllDone));
    assert_eq!(server.lines(), ["PUT /a", "DELETE /b", "GET /c", "POST /d"]);
    assert_eq!(
        book.lines,
        ["begun 001_x", "1: 1/3", "1: 2/3", "done 001_x + begun 002_x", "done 002_x + begun 003_x", "done 003_x"]
    );
    let first = server.asked.lock().unwrap()[0].to_ascii_lowercase();
    for header in ["content-type: application/json", "x-own: 1", "authorization: s3cret-word"] {
        assert!(first.contains(header), "{first}");
    }
    assert!(first.ends_with("\r\n\r\n{\"b\": 1}"), "{first}");
    assert!(server.asked.lock().unwrap()[2].ends_with("\r\n\r\n{}"), "a GET may have a body");
}

#[test]
fn a_rejected_request_ends_the_script_and_is_where_it_goes_on() {
    let bad = answer("400 Bad Request", "", "no, s3cret-word");
    let server = Server::start(&[&ok("{}"), &bad]);
    let mut book = Memory::new(&server);
    let mut script = step(1, "PUT /a\n###\n\nPUT /b\n###\nPUT /c");
    let failure = go(&mut book, &[script.clone(), step(2, "PUT /d")], &Stop::default()).unwrap_err();
    assert_eq!((failure.line, failure.kept), (Some(4), Kept::Half(Some((1, 3)))));
    assert_eq!(failure.message, "request 2 of 3, PUT /b: HTTP 400 no, ***");
    assert_eq!((failure.hints, server.lines().len()), (vec!["advice".to_owned()], 2));
    script.resume_from = 1;
    assert_eq!(go(&mut book, &[script], &Stop::default()), Ok(Outcome::AllDone));
    assert_eq!(server.lines()[2..], ["PUT /b", "PUT /c"]);
    assert_eq!(book.lines, ["begun 001_x", "1: 1/3", "begun 001_x", "1: 2/3", "done 001_x"]);
}

#[test]
fn statuses_that_are_expected_are_fine_and_hidden_failures_are_not() {
    let missing = answer("404 Not Found", "", "errors");
    let server = Server::start(&[&missing, &ok("errors"), &missing]);
    let mut book = Memory::new(&server);
    let failure = go(&mut book, &[step(1, "# @expect 200,404\nDELETE /a\n###\nPUT /b")], &Stop::default()).unwrap_err();
    assert_eq!((failure.line, failure.message.as_str()), (Some(4), "request 2 of 2, PUT /b: errors inside"));
    assert!(go(&mut book, &[step(2, "# @expect 200\nDELETE /a")], &Stop::default()).is_err());
}

#[test]
fn what_stands_between_is_told_apart_from_the_store() {
    let redirect = answer("302 Found", "location: https://elsewhere/x\r\n", "");
    let page =
        answer("200 OK", "content-type: text/html; charset=utf-8\r\n", "<html><Title>Please log in</Title></html>");
    for (said, words, advice) in [
        (redirect, "a redirect to https://elsewhere/x", "not followed"),
        (page, "an HTML page came (\"Please log in\")", "proxy"),
    ] {
        let server = Server::start(&[&said]);
        let failure = go(&mut Memory::new(&server), &[step(1, "PUT /a")], &Stop::default()).unwrap_err();
        assert!(failure.message.contains(words) && failure.hints[0].contains(advice), "{failure:?}");
        assert_eq!(server.lines(), ["PUT /a"]);
    }
}

#[test]
fn an_answer_that_is_cut_off_is_not_known_and_not_repeated() {
    for cut in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"ack",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"a",
        "HTT",
    ] {
        let server = Server::start(&[&ok("{}"), cut]);
        let mut book = Memory::new(&server);
        let failure = go(&mut book, &[step(1, "PUT /a\n###\nPUT /b\n###\nPUT /c")], &Stop::default()).unwrap_err();
        assert_eq!(failure.what, "lost the store's answer", "{cut:?}");
        assert!(failure.message.contains("whether it was done is not known"), "{failure:?}");
        assert_eq!((failure.kept, failure.line), (Kept::Half(Some((1, 3))), Some(3)));
        assert_eq!(server.lines(), ["PUT /a", "PUT /b"]);
        assert_eq!(book.lines, ["begun 001_x", "1: 1/3"]);
    }
}

#[test]
fn a_request_that_never_arrived_is_said_to() {
    let server = Server::start(&[]);
    let mut book = Memory::new(&server);
    book.agent = Agent::new("http://127.0.0.1:1", "the store", Vec::new());
    let failure = go(&mut book, &[step(1, "PUT /a")], &Stop::default()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert!(failure.message.contains("nothing of it was done: nothing listens there"), "{failure:?}");
}

#[test]
fn deadlines_and_stops_end_a_request_that_hangs() {
    let server = Server::start(&["", ""]);
    let mut book = Memory::new(&server);
    let slow = Step { timeout: Some(Duration::from_millis(150)), ..step(1, "PUT /a") };
    let failure = go(&mut book, &[slow], &Stop::default()).unwrap_err();
    assert_eq!((failure.what.as_str(), failure.kept), ("ran out of time after 0.15 s", Kept::Half(Some((0, 1)))));
    let stop = Stop::default();
    let later = stop.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        later.ask(StopReason::Interrupted);
    });
    let failure = go(&mut book, &[step(2, "PUT /a")], &stop).unwrap_err();
    assert_eq!((failure.what.as_str(), failure.kind), ("was interrupted", FailureKind::Interrupted));
}

#[test]
fn a_lost_lease_ends_everything() {
    for (lets, kept, sent) in
        [(0, Kept::Nothing, 0), (1, Kept::Half(Some((1, 2))), 1), (2, Kept::Half(Some((2, 2))), 2)]
    {
        let server = Server::start(&[]);
        let mut book = Memory { lets, ..Memory::new(&server) };
        let stop = Stop::default();
        let failure = go(&mut book, &[step(1, "PUT /a\n###\nPUT /b"), step(2, "PUT /c")], &stop).unwrap_err();
        assert!(failure.what.contains("lease was lost"), "{failure:?}");
        assert_eq!((failure.kept, server.lines().len(), stop.asked()), (kept, sent, Some(StopReason::LeaseLost)));
    }
}

#[test]
fn tasks_are_waited_for() {
    let task = ok("{\"task\": \"n1\"}");
    let server =
        Server::start(&[&task, &ok("busy"), &answer("503 Busy", "", ""), &ok("fine"), &task, &ok("bad"), &ok("{}")]);
    let mut book = Memory::new(&server);
    let script = "# @await-task\nPOST /work";
    assert_eq!(go(&mut book, &[step(1, script)], &Stop::default()), Ok(Outcome::AllDone));
    assert_eq!(server.lines(), ["POST /work", "GET /task/n1", "GET /task/n1", "GET /task/n1"]);
    let failure = go(&mut book, &[step(2, script)], &Stop::default()).unwrap_err();
    assert_eq!(failure.message, "request 1 of 1, POST /work: the task failed");
    let failure = go(&mut book, &[step(3, script)], &Stop::default()).unwrap_err();
    assert!(failure.message.contains("names no task"), "{failure:?}");
}

#[test]
fn a_task_past_its_deadline_is_asked_to_end() {
    let task = ok("{\"task\": \"n1\"}");
    let busy = ok("busy");
    let server = Server::start(&[&task, &busy, &busy, &busy, &busy, &busy, &busy, &busy]);
    let slow = Step { timeout: Some(Duration::from_millis(200)), ..step(1, "# @await-task\nPOST /work") };
    let failure = go(&mut Memory::new(&server), &[slow], &Stop::default()).unwrap_err();
    assert!(failure.message.contains("n1 was asked to end"), "{failure:?}");
    assert_eq!(server.lines().last().unwrap(), "POST /cancel");
}

#[test]
fn nothing_of_a_script_runs_that_cannot_run_to_its_end() {
    let server = Server::start(&[]);
    let mut book = Memory::new(&server);
    for (text, line) in [
        ("PUT /a\n###\nPUT /ledger", 3),
        ("PUT /a\n###\nGET http://elsewhere/", 3),
        ("PUT /a\n###\nPUT /b\n\n{\n\"a\"}", 6),
    ] {
        let steps = [step(1, "# nothing"), step(2, text)];
        let failure = go(&mut book, &steps, &Stop::default()).unwrap_err();
        assert_eq!((failure.index, failure.line, failure.kept), (2, Some(line), Kept::Nothing), "{text}");
    }
    assert_eq!(server.lines(), Vec::<String>::new());
    assert_eq!(book.lines, ["begun 001_x", "done 001_x"].repeat(3));
}

#[test]
fn seeds_have_no_entries() {
    let server = Server::start(&[&ok("{}"), &answer("500 No", "", "x")]);
    let stop = Stop::default();
    let context = Context { run: "r", stop: &stop, event: &|_, _| {} };
    let failure = seed(&server.agent(), &Plain, &step(1, "PUT /a\n###\nPUT /b"), &context).unwrap_err();
    assert_eq!((failure.line, failure.kept), (Some(3), Kept::Half(None)));
    assert_eq!(seed(&server.agent(), &Plain, &step(1, "PUT /a"), &context), Ok(()));
}
