//! A TCP proxy that cuts connections where a test wants it: after a number of bytes in one of the directions.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// Bytes that went one way before any went the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Which way.
    pub way: Way,
    /// How many.
    pub bytes: u64,
}

/// Where the watched connections are cut.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// After so many bytes more.
    Bytes(u64),
    /// After so many bytes of the n-th turn that way, from 0.
    Turn(usize, u64),
}

/// What goes on at the connections that are watched: those made since it was said to watch or to cut. What an earlier one still has
/// to say, its farewell for one, is neither counted nor cut.
#[derive(Debug, Default)]
struct Watched {
    /// How many connections are not, from the first.
    from: u64,
    turns: Vec<Turn>,
    cut: Option<(Way, Limit)>,
}

impl Watched {
    /// How many of these bytes may pass.
    fn allow(&mut self, way: Way, wanted: u64) -> u64 {
        let goes_on = self.turns.last().filter(|turn| turn.way == way).map_or(0, |turn| turn.bytes);
        let begun = self.turns.iter().filter(|turn| turn.way == way).count();
        let turn = if goes_on > 0 { begun - 1 } else { begun };
        let allowed = match &mut self.cut {
            Some((at, Limit::Bytes(left))) if *at == way => {
                let allowed = wanted.min(*left);
                *left -= allowed;
                allowed
            }
            Some((at, Limit::Turn(last, bytes))) if *at == way && turn >= *last => {
                let left = if turn == *last { bytes.saturating_sub(goes_on) } else { 0 };
                wanted.min(left)
            }
            _ => wanted,
        };
        if allowed < wanted {
            self.cut = Some((way, Limit::Bytes(0)));
        }
        match self.turns.last_mut() {
            Some(turn) if turn.way == way => turn.bytes += allowed,
            _ if allowed > 0 => self.turns.push(Turn { way, bytes: allowed }),
            _ => (),
        }
        allowed
    }
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    passed: [AtomicU64; 2],
    watched: Mutex<Watched>,
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
            passed: [AtomicU64::new(0), AtomicU64::new(0)],
            watched: Mutex::default(),
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

    /// Writes down the turns of the connections that are made from now on.
    #[allow(dead_code, reason = "for some test programs only")]
    pub fn watch(&self) {
        self.watch_and_cut(None);
    }

    /// The turns of the watched connections, as they came. A byte is counted before it is passed on: what the client has is counted.
    #[allow(dead_code, reason = "for some test programs only")]
    pub fn turns(&self) -> Vec<Turn> {
        self.shared.watched().turns.clone()
    }

    /// So many bytes pass one way on the connections that are made from now on; then each of them is cut, and new ones until
    /// [`Self::mend`].
    pub fn cut_after(&self, way: Way, bytes: u64) {
        self.watch_and_cut(Some((way, Limit::Bytes(bytes))));
    }

    /// The same with so many bytes of the n-th turn one way, from 0, however long those before it are.
    #[allow(dead_code, reason = "for some test programs only")]
    pub fn cut_in_turn(&self, way: Way, turn: usize, bytes: u64) {
        self.watch_and_cut(Some((way, Limit::Turn(turn, bytes))));
    }

    fn watch_and_cut(&self, cut: Option<(Way, Limit)>) {
        let from = self.shared.connections.load(Ordering::SeqCst);
        *self.shared.watched() = Watched { from, turns: Vec::new(), cut };
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.shared.watched().cut = None;
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
            let allowed = self.allow(number, way, read);
            self.passed[way as usize].fetch_add(allowed as u64, Ordering::SeqCst);
            if to.write_all(&buffer[..allowed]).is_err() || allowed < read {
                cut = true;
                break;
            }
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

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of these bytes of a connection may pass.
    fn allow(&self, number: u64, way: Way, wanted: usize) -> usize {
        let mut watched = self.watched();
        if number < watched.from {
            return wanted;
        }
        usize::try_from(watched.allow(way, wanted as u64)).expect("no more than wanted")
    }
}
