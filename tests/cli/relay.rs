//! What may stand between a run and its server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::world::World;

/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(4);

/// The same URL by way of a firewall of ours that cuts idle connections, as real ones do, and servers.
pub fn cutting_idle_ones(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (login, rest) = rest.split_once('@').map_or(("", rest), |(login, rest)| (login, rest));
    let (place, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let to = place.to_owned();
    thread::spawn(move || {
        for one in listener.incoming().map_while(Result::ok) {
            if let Ok(other) = TcpStream::connect(&to) {
                relay(&one, &other);
            }
        }
    });
    let login = if login.is_empty() { String::new() } else { format!("{login}@") };
    format!("{scheme}://{login}127.0.0.1:{port}{path}")
}

/// The same of what a variable of the world's names.
pub fn between(world: World, variable: &str) -> World {
    let url = cutting_idle_ones(world.value(variable));
    world.variable(variable, &url)
}

fn relay(one: &TcpStream, other: &TcpStream) {
    let heard = Arc::new(Mutex::new(Instant::now()));
    for (from, to) in [(one, other), (other, one)] {
        let (mut from, mut to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
        let heard = Arc::clone(&heard);
        from.set_read_timeout(Some(Duration::from_millis(50))).expect("a limit");
        thread::spawn(move || {
            let mut buffer = [0; 1 << 14];
            loop {
                match from.read(&mut buffer) {
                    Ok(n @ 1..) if to.write_all(&buffer[..n]).is_ok() => {
                        *heard.lock().expect("no panic") = Instant::now();
                    }
                    Err(error)
                        if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
                    {
                        if heard.lock().expect("no panic").elapsed() > IDLE {
                            break;
                        }
                    }
                    _ => break,
                }
            }
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        });
    }
}

/// A script of another program's keeps the store's connections waiting for longer than they are let, then one of the store's own comes.
#[track_caller]
pub fn outlives_idle_connections(world: &World, kind: &str, extension: &str, script: &str) {
    let config = world.read("stepladder.toml");
    world.write("stepladder.toml", format!("require_down = false\n{config}"));
    world.write(&format!("migrations/{kind}/101_wait.up.sh"), "sleep 5\n");
    world.write(&format!("migrations/{kind}/102_b.up.{extension}"), script);
    let said = world.run("up");
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(world.standing("102_b"), "applied");
}
