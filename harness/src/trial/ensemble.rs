//! The clients of a run as one task, played in a fixed order whoever turns it.
//!
//! What falls on one instant is done in the order of the clients' numbers: each that was woken goes on, again and again
//! until none is awake. A runtime's own queue would order them by the history of its wake-ups, and two simulators
//! would never agree. Knows nothing of time and of what clients do.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Part = Pin<Box<dyn Future<Output = ()>>>;

/// Wakes the whole ensemble: rung once per step.
#[derive(Debug, Default)]
pub(crate) struct Gong {
    /// Whether it makes no sound: whoever plays the ensemble turns it in every step.
    is_mute: bool,
    waker: Mutex<Option<Waker>>,
    /// Whether a client was woken since the last round; in most steps none is.
    called: AtomicBool,
}

impl Gong {
    /// For an ensemble that is turned in every step, and need not be woken for it.
    pub(crate) fn mute() -> Self {
        Self { is_mute: true, ..Self::default() }
    }

    /// Wakes it, wherever it waits.
    pub(crate) fn strike(&self) {
        if self.is_mute {
            return;
        }
        // Nobody panics while holding the lock, and a waker would still be one.
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Whether one client was woken.
#[derive(Debug)]
struct Call {
    awake: AtomicBool,
    gong: Arc<Gong>,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        if !self.awake.load(Ordering::Relaxed) {
            self.awake.store(true, Ordering::Relaxed);
            self.gong.called.store(true, Ordering::Relaxed);
            self.gong.strike();
        }
    }
}

struct Player {
    /// `None` once it has ended.
    part: Option<Part>,
    call: Arc<Call>,
    waker: Waker,
}

/// All clients.
pub(crate) struct Ensemble {
    players: Vec<Player>,
    /// Called before each round: lets what has arrived reach the clients, and what they sent leave.
    before_round: Box<dyn FnMut()>,
    gong: Arc<Gong>,
}

impl Ensemble {
    pub(crate) fn new(parts: Vec<Part>, before_round: Box<dyn FnMut()>, gong: Arc<Gong>) -> Self {
        let player = |part| {
            let call = Arc::new(Call { awake: AtomicBool::new(true), gong: Arc::clone(&gong) });
            Player { part: Some(part), waker: Waker::from(Arc::clone(&call)), call }
        };
        gong.called.store(true, Ordering::Relaxed);
        Self { players: parts.into_iter().map(player).collect(), before_round, gong }
    }

    /// One round: every client that is awake goes on, in order. Whether any was.
    fn round(&mut self) -> bool {
        let mut anyone = false;
        for player in &mut self.players {
            // Whoever wakes a client is on this thread: nothing comes between the two.
            if !player.call.awake.load(Ordering::Relaxed) {
                continue;
            }
            player.call.awake.store(false, Ordering::Relaxed);
            let Some(part) = &mut player.part else { continue };
            anyone = true;
            if part.as_mut().poll(&mut Context::from_waker(&player.waker)).is_ready() {
                player.part = None;
            }
        }
        anyone
    }
}

impl Future for Ensemble {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.gong.is_mute {
            *self.gong.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        }
        let mut has_played = false;
        loop {
            (self.before_round)();
            if !self.gong.called.load(Ordering::Relaxed) {
                break;
            }
            self.gong.called.store(false, Ordering::Relaxed);
            if !self.round() {
                break;
            }
            has_played = true;
        }
        let is_over = has_played && self.players.iter().all(|player| player.part.is_none());
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::sync::Notify;

    use super::*;

    /// Clients that write their number whenever their bell rings, and ring the next one's.
    #[test]
    fn clients_go_on_in_the_order_of_their_numbers_until_none_is_awake() {
        let bells: Vec<Rc<Notify>> = (0..3).map(|_| Rc::default()).collect();
        let said = Rc::new(RefCell::new(Vec::new()));
        let part = |number: usize| -> Part {
            let (mine, next) = (Rc::clone(&bells[number]), Rc::clone(&bells[(number + 1) % 3]));
            let said = Rc::clone(&said);
            Box::pin(async move {
                for _ in 0..2 {
                    mine.notified().await;
                    said.borrow_mut().push(number);
                    next.notify_one();
                }
            })
        };
        let rounds = Rc::new(RefCell::new(0));
        let counted = Rc::clone(&rounds);
        let before = Box::new(move || *counted.borrow_mut() += 1);
        let mut ensemble = Ensemble::new((0..3).map(part).collect(), before, Arc::default());
        let mut poll = || Pin::new(&mut ensemble).poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending() && said.borrow().is_empty());
        // The last bell first: the order of the wake-ups does not matter.
        bells[2].notify_one();
        bells[1].notify_one();
        assert!(poll().is_ready());
        // Round one: 1 rings 2, whose bell has then rung twice, and 2 rings 0 twice. Round two: 0, and 1 once more.
        assert_eq!(*said.borrow(), [1, 2, 2, 0, 0, 1]);
        assert_eq!(
            *rounds.borrow(),
            5,
            "one before each round, also the last of each poll, in which nobody is awake"
        );
    }
}
