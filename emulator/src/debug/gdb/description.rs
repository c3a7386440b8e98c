//! The target description, generated from the architecture's register table (GDB manual, appendix
//! G.2).

use std::fmt::Write;

use gdbstub::target::{
    TargetError, TargetResult, ext::target_description_xml_override::TargetDescriptionXmlOverride,
};

use crate::vcpu::{Architecture, Register, RegisterKind};

use super::Stub;

fn type_of(register: &Register) -> String {
    match (register.kind, register.bits) {
        (RegisterKind::CodePointer, _) => "code_ptr".to_owned(),
        (RegisterKind::DataPointer, _) => "data_ptr".to_owned(),
        (RegisterKind::Float, 32) => "ieee_single".to_owned(),
        (RegisterKind::Float, 64) => "ieee_double".to_owned(),
        (RegisterKind::Integer, bits) | (RegisterKind::Float, bits) => format!("uint{bits}"),
    }
}

/// The whole description as one document.
pub(super) fn target_xml(architecture: &Architecture) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n\
         <target version=\"1.0\">\n",
    );
    // Writing into a String does not fail.
    let mut line = |text: std::fmt::Arguments<'_>| xml.write_fmt(text).unwrap_or_default();
    line(format_args!("<architecture>{}</architecture>\n", architecture.gdb_name));
    // A whole machine is debugged, no process of the system that GDB was built for: with that one's
    // rules GDB steps by breakpoints of its own, and cannot step out of a trap handler.
    line(format_args!("<osabi>none</osabi>\n"));
    let mut number = 0;
    for feature in architecture.features {
        line(format_args!("<feature name=\"{}\">\n", feature.name));
        for register in feature.registers {
            line(format_args!(
                "<reg name=\"{}\" bitsize=\"{}\" type=\"{}\" regnum=\"{number}\"/>\n",
                register.name,
                register.bits,
                type_of(register),
            ));
            number += 1;
        }
        line(format_args!("</feature>\n"));
    }
    line(format_args!("</target>\n"));
    xml
}

impl TargetDescriptionXmlOverride for Stub<'_> {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(TargetError::NonFatal);
        }
        let xml = self.description.as_bytes();
        let rest = usize::try_from(offset).ok().and_then(|start| xml.get(start..)).unwrap_or(&[]);
        let length = rest.len().min(length).min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}
