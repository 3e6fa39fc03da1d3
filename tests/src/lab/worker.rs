//! A thread that serves file descriptors until it is dropped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Stops and joins its thread on drop, and closes the descriptors.
///
/// The thread itself stays in the caller's namespace: a descriptor belongs to the namespace in
/// which it was opened, whoever uses it.
pub(super) struct Worker {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Calls `on_input` with the number of each (non-blocking) input that can be read. It may read
    /// once or until it would block. It ends the thread by an error that repeating can't cure.
    pub(super) fn start(
        name: &str,
        inputs: Vec<OwnedFd>,
        mut on_input: impl FnMut(usize, BorrowedFd<'_>) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&*stop, EpollEvent::new(EpollFlags::EPOLLIN, inputs.len() as u64))?;
        for (number, input) in inputs.iter().enumerate() {
            epoll.add(input, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
        }
        let serve = move || {
            let mut events = [EpollEvent::empty(); 8];
            loop {
                let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
                    Ok(ready) => ready,
                    Err(Errno::EINTR) => continue,
                    Err(_) => return,
                };
                for event in &events[..ready] {
                    let number = event.data() as usize;
                    let Some(input) = inputs.get(number) else {
                        return;
                    };
                    match on_input(number, input.as_fd()) {
                        Err(error) if !passes(&error) => return,
                        _ => {}
                    }
                }
            }
        };
        let thread = Builder::new().name(name.to_owned()).spawn(serve)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.stop.write(1).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// Whether an error is over when the descriptor becomes readable again.
fn passes(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable,
        WouldBlock,
    };
    matches!(
        error.kind(),
        WouldBlock
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | HostUnreachable
            | ConnectionRefused
    )
}
