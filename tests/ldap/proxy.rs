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
                for way in [Way::ToServer, Way::ToClient] {
                    let (client, server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    let shared = accepting.clone();
                    std::thread::spawn(move || match way {
                        Way::ToServer => shared.pass(way, client, server),
                        Way::ToClient => shared.pass(way, server, client),
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
    fn pass(&self, way: Way, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
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
