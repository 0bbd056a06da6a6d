//! Simulated time for the clients of a run: sleeps and timeouts that end when the step loop says so.
//!
//! Not tokio's timers: those need its runtime, and fire in the order of a timer wheel. These fire in the order of
//! (time, setting), in every simulator. Whole steps only; knows nothing of who sleeps.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use squall_cluster::node::Micros;

/// An alarm's place in the order in which they ring.
type Place = (Micros, u64);

#[derive(Debug, Default)]
struct Book {
    now: Micros,
    /// Before this time nobody need be woken.
    soonest: Micros,
    set: BTreeMap<Place, Waker>,
    numbered: u64,
}

/// All alarms of one run.
#[derive(Debug, Default)]
pub(crate) struct Alarms(RefCell<Book>);

impl Alarms {
    /// Moves simulated time, and wakes whoever waited for it.
    pub(crate) fn ring(&self, now: Micros) {
        let mut book = self.0.borrow_mut();
        assert!(now >= book.now, "simulated time never goes backwards");
        book.now = now;
        if now < book.soonest {
            return;
        }
        while let Some(first) = book.set.first_entry()
            && first.key().0 <= now
        {
            first.remove().wake();
        }
        book.soonest = book.set.first_key_value().map_or(Micros(u64::MAX), |((due, _), _)| *due);
    }

    /// Ends `span` from now.
    pub(crate) fn sleep(self: &Rc<Self>, span: Duration) -> Sleep {
        let span = u64::try_from(span.as_micros()).expect("simulated time fits");
        let due = Micros(self.0.borrow().now.0 + span);
        Sleep { alarms: Rc::clone(self), due, place: None }
    }

    /// What `work` comes to, or `None` if it takes longer than `span`.
    pub(crate) async fn timeout<F: Future>(self: &Rc<Self>, span: Duration, work: F) -> Option<F::Output> {
        let mut alarm = self.sleep(span);
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(output) = work.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            Pin::new(&mut alarm).poll(context).map(|()| None)
        })
        .await
    }
}

/// Waits for a simulated time; dropped early, it leaves no alarm behind.
#[derive(Debug)]
pub(crate) struct Sleep {
    alarms: Rc<Alarms>,
    due: Micros,
    place: Option<Place>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let alarms = Rc::clone(&self.alarms);
        let mut book = alarms.0.borrow_mut();
        if book.now >= self.due {
            return Poll::Ready(());
        }
        let place = self.place.unwrap_or_else(|| {
            book.numbered += 1;
            (self.due, book.numbered)
        });
        self.place = Some(place);
        book.soonest = self.due.min(book.soonest);
        book.set.insert(place, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.alarms.0.borrow_mut().set.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_sleep_ends_when_its_time_has_come_and_not_before() {
        let alarms = Rc::new(Alarms::default());
        let mut sleep = alarms.sleep(Duration::from_millis(3));
        for ms in 0..3 {
            alarms.ring(Micros::from_millis(ms));
            assert!(poll(&mut sleep).is_pending(), "{ms} ms");
        }
        alarms.ring(Micros::from_millis(3));
        assert!(poll(&mut sleep).is_ready() && poll(&mut alarms.sleep(Duration::ZERO)).is_ready());
    }

    #[test]
    fn a_timeout_prefers_the_work_and_leaves_no_alarm_behind() {
        let alarms = Rc::new(Alarms::default());
        let mut late = Box::pin(alarms.timeout(Duration::from_millis(2), std::future::pending::<()>()));
        let span = Duration::from_millis(2);
        let mut even = Box::pin(alarms.timeout(span, alarms.sleep(span)));
        assert!(poll(&mut late).is_pending() && poll(&mut even).is_pending());
        alarms.ring(Micros::from_millis(2));
        assert_eq!((poll(&mut late), poll(&mut even)), (Poll::Ready(None), Poll::Ready(Some(()))));
        drop(alarms.timeout(span, std::future::pending::<()>()));
        assert!(alarms.0.borrow().set.is_empty(), "nobody waits any more");
    }
}
