//! The wire of the event loop: what hosts send in one step arrives in the next, as it would under turmoil.
//!
//! What falls on one step is done in the order (node, arrival): the servers in order, the clients' host last; on each,
//! first what arrived, ordered by its sender's host and then by when it was sent, then what is due. Turmoil keeps the
//! same order, so that both simulators give the same run.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::frame::Datagram;
use super::world::{Server, World};

/// Datagrams on their way to one host.
type Mail = Vec<Datagram>;

/// Hosts without a simulator under them.
#[derive(Debug)]
pub(crate) struct EventLoop<N: Server> {
    world: Rc<RefCell<World<N>>>,
    /// Per host, what arrives in this step.
    arriving: RefCell<Vec<Mail>>,
    /// Per host, what was sent to it in this step.
    sent: RefCell<Vec<Mail>>,
    /// Whether the servers have been started; after that they come and go as faults will.
    started: Cell<bool>,
}

impl<N: Server> EventLoop<N> {
    pub(crate) fn new(world: Rc<RefCell<World<N>>>) -> Self {
        let hosts = world.borrow().client_host() + 1;
        let empty = || RefCell::new(vec![Mail::new(); hosts]);
        Self { arriving: empty(), sent: empty(), started: Cell::new(false), world }
    }

    /// A new step begins: what was sent in the last one arrives.
    pub(crate) fn begin_step(&self) {
        let mut arriving = self.arriving.borrow_mut();
        debug_assert!(arriving.iter().all(Mail::is_empty), "every host takes its mail in every step");
        std::mem::swap(&mut *arriving, &mut *self.sent.borrow_mut());
    }

    /// Lets every server act.
    pub(crate) fn run_servers(&self) {
        let is_first = !self.started.replace(true);
        let mut world = self.world.borrow_mut();
        let mut arriving = self.arriving.borrow_mut();
        for server in 0..world.servers() {
            if is_first {
                world.start(server);
            }
            self.turn_in(&mut world, server, &mut arriving[server]);
        }
    }

    /// Lets a host take its mail and do what is due.
    pub(crate) fn turn(&self, host: usize) {
        self.turn_in(&mut self.world.borrow_mut(), host, &mut self.arriving.borrow_mut()[host]);
    }

    /// Most hosts have nothing to do in most steps. What arrives in this step was sent in the last one: nothing is
    /// added to the mail meanwhile.
    #[inline]
    fn turn_in(&self, world: &mut World<N>, host: usize, mail: &mut Mail) {
        if !mail.is_empty() {
            mail.drain(..).for_each(|datagram| world.receive(datagram));
        }
        if world.is_due(host) {
            let mut sent = self.sent.borrow_mut();
            world.advance(host, &mut |to, datagram| sent[to].push(datagram));
        }
    }
}
