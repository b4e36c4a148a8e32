//! The keys of a watch at a terminal, each of which counts without Enter.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::time::Duration;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

use super::mail::Mail;
use crate::exec::family::own_group;

/// How long a flow that is in the background waits before it looks whether it still is.
const BACKGROUND: Duration = Duration::from_millis(100);

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// `r`: run again.
    Again,
    /// `c`: clear the screen.
    Clear,
    /// `q`: end.
    Quit,
    /// `?`: say what there is.
    Help,
}

impl Key {
    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            b'r' | b'R' | b'\n' | b'\r' => Self::Again,
            b'c' | b'C' | b'\x0c' => Self::Clear,
            b'q' | b'Q' | b'\x04' => Self::Quit,
            b'?' | b'h' | b'H' => Self::Help,
            _ => return None,
        })
    }
}

/// The terminal while its keys are read; set back as it was when this is dropped.
#[derive(Debug)]
pub(super) struct Keys {
    device: File,
    before: Termios,
}

impl Keys {
    /// Begins to read keys, where stdin is a terminal and flow is not in the background; `None` elsewhere.
    pub(super) fn read(mail: Mail) -> Option<Self> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let device = File::open("/dev/tty").ok()?;
        if Some(tcgetpgrp(&device).ok()?) != own_group() {
            return None;
        }
        let before = tcgetattr(&device).ok()?;
        let keys = Self { device, before };
        keys.set();
        let device = keys.device.try_clone().ok()?;
        let reader = move || {
            let mut device = device;
            let mut byte = [0];
            loop {
                // Who reads from the background is stopped for it.
                if tcgetpgrp(&device).ok() != own_group() {
                    std::thread::sleep(BACKGROUND);
                    continue;
                }
                match device.read(&mut byte) {
                    Ok(1) => Key::of(byte[0]).into_iter().for_each(|key| mail.key(key)),
                    // The terminal is gone, and a hangup comes.
                    Ok(_) => return,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        };
        // It ends with the process: nothing can end a read.
        std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(reader)
            .ok()?;
        Some(keys)
    }

    /// Keys come as they are pressed, and are not shown.
    pub(super) fn set(&self) {
        let mut modes = self.before.clone();
        modes.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO);
        // A terminal that is gone can't be set, and needs not be.
        let _ = tcsetattr(&self.device, OptionalActions::Now, &modes);
    }

    /// As it was.
    pub(super) fn unset(&self) {
        let _ = tcsetattr(&self.device, OptionalActions::Now, &self.before);
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.unset();
    }
}
