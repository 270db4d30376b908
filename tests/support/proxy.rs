//! A TCP proxy that cuts connections where a test wants it: after a number of bytes in one of the directions.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    There,
    /// From the server to the client.
    Back,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    /// Bytes that still pass each way before the connection is cut; negative: as many as there are.
    left: [AtomicI64; 2],
    passed: [AtomicU64; 2],
    /// Connections so far, and how many of them, from the first, have gone silent.
    connections: AtomicU64,
    silent: AtomicU64,
    /// Of the others only those up to this one speak.
    last: AtomicU64,
    /// Ways of connections that still pass bytes.
    open: AtomicU64,
    /// Connections are refused.
    closed: AtomicBool,
}

/// Stands in front of a server until it is dropped; then it takes no more connections.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
}

impl Proxy {
    /// Lets everything through to a port of this machine, for now.
    #[allow(dead_code, reason = "for some test programs only")]
    pub fn before(port: u16) -> Self {
        Self::before_address(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// The same for a server on another loopback address.
    pub fn before_address(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = listener.local_addr().expect("the proxy's port").port();
        let shared = Arc::new(Shared {
            server,
            left: [AtomicI64::new(-1), AtomicI64::new(-1)],
            passed: [AtomicU64::new(0), AtomicU64::new(0)],
            connections: AtomicU64::new(0),
            silent: AtomicU64::new(0),
            last: AtomicU64::new(u64::MAX),
            open: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        let inner = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if inner.closed.load(Ordering::SeqCst) {
                    return;
                }
                inner.join(client);
            }
        });
        Self { shared, port: own }
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, so many bytes pass one way; then every connection is cut, and new ones until [`Self::mend`].
    pub fn cut_after(&self, way: Way, bytes: u64) {
        self.shared.left[way as usize].store(i64::try_from(bytes).expect("a sane number"), Ordering::SeqCst);
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.shared.left.iter().for_each(|left| left.store(-1, Ordering::SeqCst));
    }

    /// Waits until both sides of every connection have closed it: then the server has noticed what was cut. Some are kept open by
    /// their client; these are waited for shortly only.
    #[allow(dead_code, reason = "for some test programs only")]
    pub fn settle(&self) {
        let begun = Instant::now();
        while self.shared.open.load(Ordering::SeqCst) > 0 && begun.elapsed() < Duration::from_millis(300) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The connections there are stay open and pass nothing more, as behind a firewall that has forgotten them.
    #[allow(dead_code, reason = "for some test programs only")]
    pub fn forget_connections(&self) {
        self.shared.silent.store(self.shared.connections.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Of all connections only the next one passes anything.
    #[allow(dead_code, reason = "for some test programs only")]
    pub fn silence_all_but_the_next(&self) {
        self.forget_connections();
        self.shared.last.store(self.shared.connections.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Bytes that have passed one way so far.
    pub fn passed(&self, way: Way) -> u64 {
        self.shared.passed[way as usize].load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn join(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.server) else { return };
        let (Ok(client2), Ok(server2)) = (client.try_clone(), server.try_clone()) else { return };
        let (there, back) = (Arc::clone(self), Arc::clone(self));
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(2, Ordering::SeqCst);
        thread::spawn(move || there.pump(number, client, server, Way::There));
        thread::spawn(move || back.pump(number, server2, client2, Way::Back));
    }

    fn pump(&self, number: u64, mut from: TcpStream, mut to: TcpStream, way: Way) {
        let mut buffer = [0_u8; 16 * 1024];
        let mut cut = false;
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if number < self.silent.load(Ordering::SeqCst) || number > self.last.load(Ordering::SeqCst) {
                continue;
            }
            let allowed = self.allow(way, read);
            if to.write_all(&buffer[..allowed]).is_err() || allowed < read {
                cut = true;
                break;
            }
            self.passed[way as usize].fetch_add(allowed as u64, Ordering::SeqCst);
        }
        if cut {
            // Both sides are told the end, and what they send is thrown away until they have noticed.
            let _ = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Write));
            let _ = from.set_read_timeout(Some(Duration::from_millis(300)));
            while let Ok(1..) = from.read(&mut buffer) {}
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// How many of these bytes may pass.
    fn allow(&self, way: Way, wanted: usize) -> usize {
        let left = &self.left[way as usize];
        let mut now = left.load(Ordering::SeqCst);
        loop {
            if now < 0 {
                return wanted;
            }
            let allowed = wanted.min(usize::try_from(now).unwrap_or(usize::MAX));
            let rest = now - i64::try_from(allowed).unwrap_or(i64::MAX);
            match left.compare_exchange(now, rest, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return allowed,
                Err(other) => now = other,
            }
        }
    }
}
