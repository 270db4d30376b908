//! A proxy that knows AMQP's frames, and cuts a connection in the midst of the one that a test names.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What goes over the line (AMQP 0-9-1 §4.2.3: type, channel, size, payload, end).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The client's first eight bytes.
    ProtocolHeader,
    /// A method of the client's: class and method.
    Client(u16, u16),
    /// A method of the broker's.
    Broker(u16, u16),
    /// Properties of a message that the broker delivers.
    BrokersContentHeader,
    /// Its body.
    BrokersContentBody,
    /// Properties of a message that the client publishes.
    ClientsContentHeader,
    /// Its body.
    ClientsContentBody,
}

#[derive(Default)]
struct Shared {
    /// Cut in this order.
    armed: Mutex<VecDeque<Step>>,
    ended: Mutex<bool>,
    server: Mutex<Option<SocketAddr>>,
}

/// Stands in front of a broker until it is dropped.
pub struct Cutter {
    shared: Arc<Shared>,
    port: u16,
}

impl Cutter {
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        *shared.server.lock().unwrap() = Some(SocketAddr::from(([127, 0, 0, 1], port)));
        let inner = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if *inner.ended.lock().unwrap() {
                    return;
                }
                let address = inner.server.lock().unwrap().unwrap();
                // While the broker is down, the client finds its connection closed.
                let Ok(server) = TcpStream::connect(address) else { continue };
                for (from, to, is_client) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), true),
                    (server.try_clone().unwrap(), client.try_clone().unwrap(), false),
                ] {
                    let inner = inner.clone();
                    thread::spawn(move || inner.pump(from, to, is_client));
                }
            }
        });
        Self { shared, port: own }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the next connection that comes to the first step, then the next one that comes to the second, and so on.
    pub fn arm(&self, steps: &[Step]) {
        self.shared.armed.lock().unwrap().extend(steps);
    }

    /// How many steps have not been come to yet.
    pub fn left(&self) -> usize {
        self.shared.armed.lock().unwrap().len()
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        *self.shared.ended.lock().unwrap() = true;
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn pump(&self, mut from: TcpStream, mut to: TcpStream, is_client: bool) {
        let mut first = is_client;
        while let Some((step, frame)) = read(&mut from, is_client, first) {
            first = false;
            let cut = {
                let mut armed = self.armed.lock().unwrap();
                let cut = step.is_some() && armed.front().copied() == step;
                if cut {
                    armed.pop_front();
                }
                cut
            };
            let part = if cut { frame.len() / 2 } else { frame.len() };
            if to.write_all(&frame[..part]).is_err() || cut {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}

/// The next frame, and which it is.
fn read(from: &mut TcpStream, is_client: bool, first: bool) -> Option<(Option<Step>, Vec<u8>)> {
    let mut frame = vec![0; if first { 8 } else { 7 }];
    from.read_exact(&mut frame).ok()?;
    if first {
        return Some((Some(Step::ProtocolHeader), frame));
    }
    let size = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]) as usize;
    frame.resize(7 + size + 1, 0);
    from.read_exact(&mut frame[7..]).ok()?;
    let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    let step = match (frame[0], is_client) {
        (1, true) => Some(Step::Client(word(7), word(9))),
        (1, false) => Some(Step::Broker(word(7), word(9))),
        (2, true) => Some(Step::ClientsContentHeader),
        (2, false) => Some(Step::BrokersContentHeader),
        (3, true) => Some(Step::ClientsContentBody),
        (3, false) => Some(Step::BrokersContentBody),
        _ => None,
    };
    Some((step, frame))
}
