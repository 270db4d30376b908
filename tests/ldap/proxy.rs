//! A TCP proxy that cuts a connection where a test wants it cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

/// Passes bytes on until a limit, and then cuts the connection, and every later one, until the limit is lifted.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    passed: [AtomicU64; 2],
    limit: [AtomicU64; 2],
    /// Connections so far, and how many of them, from the first, have gone silent.
    connections: AtomicU64,
    silent: AtomicU64,
    /// Of the others only this one speaks, if any is named.
    only: AtomicU64,
    done: AtomicBool,
}

impl Proxy {
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let unlimited = || AtomicU64::new(u64::MAX);
        let shared = Arc::new(Shared {
            server: SocketAddr::from(([127, 0, 0, 1], port)),
            passed: [AtomicU64::new(0), AtomicU64::new(0)],
            limit: [unlimited(), unlimited()],
            connections: AtomicU64::new(0),
            silent: AtomicU64::new(0),
            only: AtomicU64::new(u64::MAX),
            done: AtomicBool::new(false),
        });
        let port = listener.local_addr().unwrap().port();
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.done.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(server) = TcpStream::connect(accepting.server) else { continue };
                let number = accepting.connections.fetch_add(1, Ordering::SeqCst);
                for way in [Way::ToServer, Way::ToClient] {
                    let (client, server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    let shared = accepting.clone();
                    std::thread::spawn(move || match way {
                        Way::ToServer => shared.pass(number, way, client, server),
                        Way::ToClient => shared.pass(number, way, server, client),
                    });
                }
            }
        });
        Self { port, shared }
    }

    /// From now on: counts from nothing, and cuts after so many bytes this way.
    pub fn cut_after(&self, way: Way, bytes: u64) {
        for at in 0..2 {
            self.shared.passed[at].store(0, Ordering::SeqCst);
            self.shared.limit[at].store(if at == way as usize { bytes } else { u64::MAX }, Ordering::SeqCst);
        }
    }

    /// The connections there are stay open and pass nothing more, as behind a firewall that has forgotten them.
    pub fn forget_connections(&self) {
        self.shared.silent.store(self.shared.connections.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Of all connections only the next one passes anything.
    pub fn silence_all_but_the_next(&self) {
        self.forget_connections();
        self.shared.only.store(self.shared.connections.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Bytes passed since.
    pub fn passed(&self, way: Way) -> u64 {
        self.shared.passed[way as usize].load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.done.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], self.port)), Duration::from_secs(1));
    }
}

impl Shared {
    fn pass(&self, number: u64, way: Way, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if number < self.silent.load(Ordering::SeqCst) || number > self.only.load(Ordering::SeqCst) {
                continue;
            }
            let before = self.passed[way as usize].fetch_add(n as u64, Ordering::SeqCst);
            let left = self.limit[way as usize].load(Ordering::SeqCst).saturating_sub(before);
            let part = n.min(usize::try_from(left).unwrap_or(usize::MAX));
            if to.write_all(&buffer[..part]).is_err() || part < n {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}
