//! GDB's protocol spoken by hand with the toy, which no real GDB knows.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    rc::Rc,
};

use super::{
    program::{Operation, PROGRAM_LENGTH, Program},
    toy::Toy,
};
use crate::{
    clock::Position,
    debug::{
        Engine,
        gdb::{Ending, Wire, serve},
        monitor::Session,
    },
};

/// The GDB end of a conversation.
struct Client(UnixStream);

impl Client {
    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0, "${packet}#{sum:02x}").expect("the stub listens");
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).expect("the stub answers");
        byte[0]
    }

    /// The next packet, run-length coding undone.
    fn receive(&mut self) -> String {
        while self.byte() != b'$' {}
        let mut text = Vec::new();
        loop {
            match self.byte() {
                b'#' => break,
                b'*' => {
                    let count = self.byte() - 29;
                    let last = *text.last().expect("something is repeated");
                    text.extend(std::iter::repeat_n(last, count.into()));
                }
                byte => text.push(byte),
            }
        }
        self.byte();
        self.byte();
        // Behind its last packet the stub does not wait for the acknowledgement.
        self.0.write_all(b"+").unwrap_or_default();
        String::from_utf8(text).expect("the toy's packets are text")
    }

    fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        self.receive()
    }

    /// A monitor command and everything that it prints.
    fn monitor(&mut self, command: &str) -> String {
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.send(&format!("qRcmd,{}", hex(command)));
        let mut printed = String::new();
        loop {
            let reply = self.receive();
            if reply == "OK" {
                return printed;
            }
            let digits = reply.strip_prefix('O').expect("console output");
            let bytes = digits.as_bytes().chunks(2).map(|pair| {
                let pair = std::str::from_utf8(pair).expect("hex digits");
                u8::from_str_radix(pair, 16).expect("hex digits")
            });
            printed += &String::from_utf8(bytes.collect()).expect("text");
        }
    }
}

/// Two harts count and store round and round, 20,000 steps long; `talk` is GDB.
fn converse(talk: impl FnOnce(&mut Client) + Send + 'static) -> Ending {
    let mut operations = vec![Operation::Add { to: 0, amount: 1 }; PROGRAM_LENGTH as usize];
    operations[30] = Operation::Store { from: 0, addr: 0x1000, bytes: 8 };
    let program = Program { operations, events: Vec::new(), harts: 2, quantum: 7 };
    let end = Position::at_steps(20_000);
    let engine = Engine::new(Box::new(Toy::new(Rc::new(program), end, Vec::new())), 1 << 20);
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let reading = ours.try_clone().expect("a second handle");
    let wire = Wire::start(reading, ours, engine.attention());
    let client = std::thread::spawn(move || talk(&mut Client(theirs)));
    let ending = serve(&mut Session::new(engine), wire).expect("the toy does not fail");
    client.join().expect("the conversation went as expected");
    ending
}

#[test]
fn the_register_table_becomes_the_target_description() {
    converse(|gdb| {
        let features = gdb.ask("qSupported:multiprocess+;swbreak+;hwbreak+");
        for feature in ["qXfer:features:read+", "ReverseStep+", "ReverseContinue+", "swbreak+"] {
            assert!(features.contains(feature), "{feature} is missing in {features}");
        }
        let xml = gdb.ask("qXfer:features:read:target.xml:0,1000");
        for line in [
            "<architecture>toy</architecture>",
            "<feature name=\"org.example.toy.core\">",
            "<reg name=\"r3\" bitsize=\"64\" type=\"uint64\" regnum=\"3\"/>",
            "<reg name=\"pc\" bitsize=\"64\" type=\"uint64\" regnum=\"4\"/>",
        ] {
            assert!(xml.contains(line), "{line} is missing in {xml}");
        }
    });
}

#[test]
fn harts_are_threads_with_registers_and_memory_of_their_own() {
    let ending = converse(|gdb| {
        assert_eq!(gdb.ask("qfThreadInfo"), "m01,02");
        assert_eq!(gdb.ask("?"), "T05thread:01;");
        assert_eq!(gdb.ask("vCont;s:1;c"), "T05thread:01;");
        assert_eq!(gdb.ask("g"), format!("01{}", "00".repeat(31)));
        assert_eq!(gdb.ask("p4"), "0100000000000000");
        assert_eq!(gdb.ask("Hg2"), "OK");
        assert_eq!(gdb.ask("p4"), "0700000000000000");
        assert_eq!(gdb.ask("p5"), "E16", "there is no sixth register");
        assert_eq!(gdb.ask("m100000,4"), "00000000");
        assert_eq!(gdb.ask("m200000,4"), "E0e", "nothing is mapped there");
        assert_eq!(gdb.ask("M100000,1:ff"), "E01", "a replay is not written to");
        assert_eq!(gdb.ask("D"), "OK");
    });
    assert_eq!(ending, Ending::Detached);
}

#[test]
fn stops_of_both_directions_are_told_apart() {
    converse(|gdb| {
        assert_eq!(gdb.ask("Z0,2,4"), "OK");
        assert_eq!(gdb.ask("vCont;c"), "T05thread:01;swbreak:;");
        assert_eq!(gdb.ask("z0,2,4"), "OK");
        assert_eq!(gdb.ask("Z2,101000,8"), "OK");
        assert_eq!(gdb.ask("vCont;c"), "T05thread:02;watch:101000;");
        assert_eq!(gdb.ask("p4"), "1f00000000000000", "behind the store");
        assert_eq!(gdb.ask("bc"), "T05thread:02;watch:101000;");
        assert_eq!(gdb.ask("p4"), "1e00000000000000", "in front of the store");
        assert_eq!(gdb.ask("z2,101000,8"), "OK");
        assert_eq!(gdb.ask("bc"), "T05thread:02;replaylog:begin;");
        assert_eq!(gdb.ask("vCont;c"), "T05thread:02;replaylog:end;");
        assert_eq!(gdb.ask("bs"), "T05thread:02;");
        gdb.send("k");
    });
}

#[test]
fn the_monitor_answers_in_text_and_names_mistakes() {
    converse(|gdb| {
        assert!(gdb.monitor("help").contains("last-write ADDR [LENGTH]"));
        assert!(gdb.monitor("seek 10000").starts_with("position 10000 of 20000, "));
        assert!(gdb.monitor("checkpoint").starts_with("checkpoint at 10000; "));
        assert_eq!(gdb.monitor("print r0 + hart"), "0x1322 = 4898\n");
        let written = gdb.monitor("last-write 0x101000");
        let expected = "9944  hart 0  0x1e  ?\n\
                        00 13 00 00 00 00 00 00 -> 07 13 00 00 00 00 00 00\n";
        assert_eq!(written, expected);
        assert_eq!(gdb.monitor("phys on"), "addresses of memory are physical\n");
        let written = gdb.monitor("last-write 0x1000 8");
        assert_eq!(written, expected);
        assert!(gdb.monitor("where").starts_with("position 10000 "));
        assert_eq!(gdb.monitor("break 5 if r0 > 5100"), "breakpoint at 0x5\n");
        assert_eq!(gdb.ask("vCont;c"), "T05thread:02;");
        assert_eq!(gdb.ask("p4"), "0500000000000000");
        for (wrong, message) in [
            ("seek there", "error: no steps: there\n"),
            ("fly", "error: there is no command `fly`; `help` lists them\n"),
            ("break 5 if q", "error: there is no register `q`, at column 1 of `q`\n"),
            ("device uart", "error: there is no device `uart`; there are: \n"),
            ("reset", "error: a replay cannot be changed; `go-live` leaves the recording here\n"),
        ] {
            assert_eq!(gdb.monitor(wrong), message, "{wrong}");
        }
        gdb.send("k");
    });
}

#[test]
fn an_interrupt_stops_a_running_machine_and_a_lost_line_ends_the_session() {
    let ending = converse(|gdb| {
        // A condition that never holds keeps the toy busy; whichever comes first stops it.
        assert_eq!(gdb.monitor("break 5 if r0 < 0"), "breakpoint at 0x5\n");
        gdb.send("vCont;c");
        gdb.0.write_all(&[3]).expect("the stub listens");
        let stop = gdb.receive();
        let expected = ["T02thread:01;", "T05thread:01;replaylog:end;"];
        assert!(expected.contains(&stop.as_str()), "{stop}");
    });
    assert_eq!(ending, Ending::Lost);
}
