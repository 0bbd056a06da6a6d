//! A small replicated key-value server in plain tokio style, put under test as a user would do it.
//!
//! Three nodes speak a line protocol over TCP. Node `n1` owns the data and has a disk; the others forward what they
//! are asked and keep a copy that `n1` sends them after each write. With the bug switched on they answer reads from
//! that copy: fast, and stale whenever the copy lags behind.
//!
//! ```text
//! cargo run --release --example own_system            # survives partitions and crashes
//! cargo run --release --example own_system -- --bug   # the stale read is found and explained
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use squall::checker::kv::{KvOp, KvRet, KvSpec};
use squall::checker::{ProcessId, Value};
use squall::workloads::{Client, OpError};
use squall::{NodeContext, NodeName, System};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;
// The only line that differs from production, where it says `tokio::net`.
use turmoil::net::{TcpListener, TcpStream};

const PORT: u16 = 7_379;
const OWNER: &str = "n1";
/// A peer that says nothing for this long is given up on: turmoil, like a bad network, may swallow a segment.
const PATIENCE: Duration = Duration::from_millis(200);

// ---------------------------------------------------------------- the server, as one would write it

type Data = BTreeMap<String, Vec<i64>>;

#[derive(Debug)]
struct Server {
    name: String,
    peers: Vec<String>,
    data: RefCell<Data>,
    /// Outlives a crash.
    disk: Rc<RefCell<Data>>,
    reads_from_copy: bool,
}

impl Server {
    async fn serve(self: Rc<Self>) -> io::Result<()> {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let server = Rc::clone(&self);
            tokio::task::spawn_local(async move {
                // A connection that breaks is the client's problem; the server goes on.
                let _ = server.converse(stream).await;
            });
        }
    }

    async fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        while let Some(line) = lines.next_line().await? {
            let reply = self.handle(&line).await?;
            writer.write_all(format!("{reply}\n").as_bytes()).await?;
        }
        Ok(())
    }

    async fn handle(&self, line: &str) -> io::Result<String> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["get", key] if self.name == OWNER || self.reads_from_copy => {
                Ok(show(self.data.borrow().get(key)))
            }
            ["append", key, element] if self.name == OWNER => {
                let element = element.parse().map_err(io::Error::other)?;
                self.disk.borrow_mut().entry(key.into()).or_default().push(element);
                let value = show(self.disk.borrow().get(key));
                self.store(key, &value);
                self.publish(key, &value);
                Ok("done".into())
            }
            ["copy", key, value] => {
                self.store(key, value);
                Ok("done".into())
            }
            _ => request(OWNER, line).await,
        }
    }

    fn store(&self, key: &str, value: &str) {
        self.data.borrow_mut().insert(key.into(), parse(value));
    }

    /// Sends the new value to every peer, without waiting for them.
    fn publish(&self, key: &str, value: &str) {
        for peer in self.peers.clone() {
            let line = format!("copy {key} {value}");
            tokio::task::spawn_local(async move {
                let _ = request(&peer, &line).await;
            });
        }
    }
}

/// One line there, one line back.
async fn request(node: &str, line: &str) -> io::Result<String> {
    let exchange = async {
        let (reader, mut writer) = TcpStream::connect((node, PORT)).await?.into_split();
        writer.write_all(format!("{line}\n").as_bytes()).await?;
        let reply = BufReader::new(reader).lines().next_line().await?;
        reply.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    };
    timeout(PATIENCE, exchange).await?
}

fn show(value: Option<&Vec<i64>>) -> String {
    let items: Vec<String> = value.into_iter().flatten().map(ToString::to_string).collect();
    if items.is_empty() { "-".into() } else { items.join(",") }
}

fn parse(value: &str) -> Vec<i64> {
    value.split(',').filter_map(|item| item.parse().ok()).collect()
}

// ---------------------------------------------------------------- what puts it under test

/// The system under test: made afresh for every run.
#[derive(Debug, Default)]
struct MyStore {
    disk: Rc<RefCell<Data>>,
    reads_from_copy: bool,
}

impl System for MyStore {
    type Client = Connection;

    fn nodes(&self) -> Vec<NodeName> {
        NodeName::numbered(3)
    }

    async fn serve(self: Rc<Self>, context: NodeContext) -> Result<(), Box<dyn std::error::Error>> {
        let name = context.node.to_string();
        let others = context.nodes.iter().filter(|node| **node != context.node);
        let server = Server {
            peers: others.map(ToString::to_string).collect(),
            data: RefCell::new(if name == OWNER { self.disk.borrow().clone() } else { Data::new() }),
            disk: Rc::clone(&self.disk),
            reads_from_copy: self.reads_from_copy,
            name,
        };
        Rc::new(server).serve().await?;
        Ok(())
    }

    async fn connect(self: Rc<Self>, node: NodeName, _process: ProcessId) -> Result<Connection, OpError> {
        Ok(Connection { node: node.to_string() })
    }
}

/// A client's connection: a new stream per operation, so that a broken one harms nobody.
#[derive(Debug)]
struct Connection {
    node: String,
}

impl Client<KvSpec> for Connection {
    async fn invoke(&mut self, op: KvOp) -> Result<KvRet, OpError> {
        match op {
            KvOp::Get { key } => {
                let reply = request(&self.node, &format!("get {key}")).await?;
                let items = parse(&reply);
                Ok(KvRet::Value(if items.is_empty() { Value::Nil } else { Value::list(items) }))
            }
            KvOp::Append { key, value: Value::Int(element) } => {
                request(&self.node, &format!("append {key} {element}")).await?;
                Ok(KvRet::Done)
            }
            other => Err(OpError::Definite(format!("not supported: {other:?}"))),
        }
    }
}

fn my_store(reads_from_copy: bool) -> impl Fn() -> MyStore + Sync {
    move || MyStore { reads_from_copy, ..MyStore::default() }
}

fn main() {
    let bug = std::env::args().any(|argument| argument == "--bug");
    squall::trial(my_store(bug), squall::workloads::append(3))
        .nemesis("partition,process")
        .seeds(0..20)
        .duration_ms(3_000)
        .assert_valid();
    println!("20 seeds under partitions and crashes: valid");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_partitions_and_crashes() {
        squall::trial(my_store(false), squall::workloads::append(3))
            .nemesis("partition,process")
            .seeds(0..4)
            .duration_ms(2_000)
            .assert_valid();
    }

    #[test]
    #[should_panic(expected = "invalid: append exactly-once")]
    fn reads_from_a_copy_are_found_to_be_stale() {
        squall::trial(my_store(true), squall::workloads::append(3))
            .nemesis("partition,process")
            .seeds(0..20)
            .duration_ms(2_000)
            .results(std::env::temp_dir().join("squall-own-system"))
            .assert_valid();
    }
}
