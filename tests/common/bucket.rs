//! A bucket of S3, in memory, behind a port of this machine: what a client needs to put, get and list objects.
//!
//! Answers one request per connection and asks for nothing but a signature, which it does not verify. Listings are
//! whole: a test has few objects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// What is in a bucket, by key.
type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A bucket by the name of `squall`.
pub(crate) struct Bucket {
    at: SocketAddr,
    objects: Objects,
}

impl Bucket {
    /// An empty one. It is served as long as the process lives.
    pub(crate) fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("bound");
        let objects = Objects::default();
        let served = Arc::clone(&objects);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let objects = Arc::clone(&served);
                std::thread::spawn(move || answer(&connection.expect("a client"), &objects));
            }
        });
        Self { at, objects }
    }

    /// The command, told where the bucket is.
    pub(crate) fn told(&self, mut command: Command) -> Command {
        command
            .env("AWS_ENDPOINT", format!("http://{}", self.at))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "here")
            .env("AWS_ACCESS_KEY_ID", "nobody")
            .env("AWS_SECRET_ACCESS_KEY", "nothing");
        command
    }

    /// The keys of all objects.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.objects.lock().expect("nobody panics while holding it").keys().cloned().collect()
    }
}

/// Reads a request and answers it.
fn answer(connection: &TcpStream, objects: &Objects) {
    let mut reader = BufReader::new(connection);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    // A client that only opened a connection, to have it ready.
    let Some(request) = lines.first() else { return };
    let header = |name: &str| {
        let named = lines.iter().filter_map(|line| line.split_once(": "));
        named.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    let mut body = vec![0; header("content-length").map_or(0, |bytes| bytes.parse().expect("a number"))];
    reader.read_exact(&mut body).expect("a body");
    let is_signed = header("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 "));
    let mut words = request.split(' ');
    let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = path.trim_start_matches("/squall").trim_start_matches('/').to_owned();
    let mut objects = objects.lock().expect("nobody panics while holding it");
    let (status, body) = match method {
        _ if !is_signed || !path.starts_with("/squall") => ("403 Forbidden", Vec::new()),
        "PUT" => {
            objects.insert(key, body);
            ("200 OK", Vec::new())
        }
        "GET" if key.is_empty() => ("200 OK", listing(&objects, query).into_bytes()),
        "GET" => objects.get(&key).map_or(("404 Not Found", Vec::new()), |bytes| ("200 OK", bytes.clone())),
        other => panic!("no client of this test says {other}"),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"1\"\r\nLast-Modified: Sun, 12 Jul 2026 10:15:00 GMT\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    let mut connection = connection;
    connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&body)).expect("written");
}

/// What is right below a prefix: objects, and the prefixes of those further down.
fn listing(objects: &BTreeMap<String, Vec<u8>>, query: &str) -> String {
    let asked = |name: &str| {
        let asked = query.split('&').filter_map(|pair| pair.split_once('='));
        asked.filter(|(key, _)| *key == name).map(|(_, value)| value.replace("%2F", "/")).next()
    };
    assert_eq!(asked("delimiter").as_deref(), Some("/"), "{query}");
    let prefix = asked("prefix").unwrap_or_default();
    let mut text = "<ListBucketResult>".to_owned();
    let mut folders = BTreeSet::new();
    for (key, bytes) in objects.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        if let Some((folder, _)) = key[prefix.len()..].split_once('/') {
            folders.insert(folder);
            continue;
        }
        let size = bytes.len();
        let time = "2026-07-12T10:15:00.000Z";
        let _ = write!(
            text,
            "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>1</ETag><Size>{size}</Size></Contents>"
        );
    }
    for folder in folders {
        let _ = write!(text, "<CommonPrefixes><Prefix>{prefix}{folder}/</Prefix></CommonPrefixes>");
    }
    text + "</ListBucketResult>"
}
