//! Frames that a native XDP program sends arrive.

use anyhow::Result;
use lb_tests::lab::{Direction, Frame, Lab, SOON, XdpAction, wait_until};

/// A broadcast of an EtherType for experiments (IEEE 802, 9.2.4).
const FRAME: &[u8] =
    b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01\x88\xb5 sixty bytes, of which a frame \
    has at least so many ......";

#[test]
fn frames_sent_by_xdp_cross_a_switch() -> Result<()> {
    const FRAMES: usize = 100;
    let lab = Lab::new("xdp")?;
    let lan = lab.switch("lan")?;
    let (sender, reflector) = (lab.host("sender")?, lab.host("reflector")?);
    let (sender, reflector) = (lan.join(&sender, "eth0")?, lan.join(&reflector, "eth0")?);
    reflector.run_xdp(XdpAction::Tx)?;
    let capture = sender.capture()?;
    let back = || {
        let frames = capture.frames();
        let mine = |frame: &&Frame| frame.direction == Direction::In && frame.bytes == FRAME;
        frames.iter().filter(mine).count()
    };
    // One at a time: each must arrive without the next to push it.
    for sent in 1..=FRAMES {
        sender.inject(FRAME)?;
        wait_until(SOON, "the frame is back", || back() == sent)?;
    }
    Ok(())
}
